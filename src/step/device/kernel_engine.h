// A device's gradients by this project's own kernels (device_kernels.h): any table that network/stage_plan.h matches,
// as the fused engine's on a CPU. Weights and statistics are the device's model's, and so is the flat gradient;
// weights' gradients are summed over the images in parts, and the parts of all layers added up by one kernel behind
// backward; or, where a network is so large that its gradients are summed over the ranks in several buckets, by one for
// each bucket, whose sum over the ranks then runs beside the rest of backward. A network whose normalisations sum over
// the ranks has one bucket.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "step/autograd/gradient_buckets.h"
#include "step/device/device_engine.h"
#include "step/device/device_feed.h"
#include "step/device/device_runtime.h"
#include "step/device/device_teachers.h"
#include "step/device/kernel_network.h"

namespace fer_ddp {

class KernelEngine final : public DeviceEngine {
 public:
  // model: the device's; its network is none that device_kernel_refusal() names. All outlive this. teachers: null where
  // it learns from none; they are copied to the device.
  KernelEngine(Model& model, const DeviceFeed& feed, const StepNumbers& numbers, DeviceRuntime& runtime,
               DeviceKernels& kernels, const Config& config, const Teachers* teachers);

  void compute(int64_t images, int64_t global_images, at::Tensor& sums) override;
  void load() override;
  void weights_changed() override;
  [[nodiscard]] at::Tensor logits(const at::Tensor& images) override;

  // The weights as values that are not fp32, which weights_changed() renews; null: there are none.
  [[nodiscard]] void* weight_values() { return network_.weight_values(); }

  [[nodiscard]] const StagePlan& plan() const { return network_.plan(); }
  [[nodiscard]] const KernelStage& stage(size_t index) const { return *network_.stages()[index]; }

 private:
  void make_room_for_sums();
  void share_gradients();
  [[nodiscard]] TeacherLogits ask_teachers(int64_t images);
  void backward(const KernelBatch& batch);
  void mark_ready(const std::vector<size_t>& parameters);

  Model& model_;
  const DeviceFeed& feed_;
  const StepNumbers& numbers_;
  bool statistics_are_global_;
  KernelNetwork network_;
  KernelSurroundings& around_;                // the network's
  std::unique_ptr<DeviceTeachers> teachers_;  // may be null
  TeacherLogits said_{};                      // but for where the logits are
  at::Tensor zero_;                           // int32 [1]
  at::Tensor sum_parts_;
  std::vector<at::Tensor> gradients_;
  std::unique_ptr<Reducer> rounded_;  // null where gradients are summed as they are
  GradientBuckets buckets_;
  std::vector<std::vector<size_t>> parameters_of_stage_;  // by place in the model's
  std::vector<size_t> parameters_of_head_;
};

}  // namespace fer_ddp
