// A network by a device's own kernels (device_kernels.h): its stages and its head, with memory for so many images at
// once; any table that network/stage_plan.h matches. Who trains it is kernel_engine.h; a teacher only evaluates.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "model/model.h"
#include "network/stage_plan.h"
#include "step/device/device_feed.h"
#include "step/device/kernel_head.h"
#include "step/device/kernel_stages.h"
#include "step/device/step_numbers.h"

namespace fer_ddp {

class KernelNetwork {
 public:
  struct Options {
    int64_t most_images = 0;
    bool trains = true;  // else stages and rows have no memory for gradients
    double label_smoothing = 0;
    SumOverRanks sum_statistics{};  // of normalisations in training
  };

  // model: the device's; its table has a plan. All outlive this.
  KernelNetwork(Model& model, const DeviceFeed& feed, const StepNumbers& numbers, DeviceKernels& kernels,
                Options options);
  KernelNetwork(const KernelNetwork&) = delete;
  KernelNetwork& operator=(const KernelNetwork&) = delete;
  ~KernelNetwork() = default;

  [[nodiscard]] const StagePlan& plan() const { return plan_; }
  [[nodiscard]] const std::vector<std::unique_ptr<KernelStage>>& stages() const { return stages_; }
  [[nodiscard]] KernelHead& head() { return *head_; }
  [[nodiscard]] KernelSurroundings& around() { return around_; }

  // Logits of these images, in evaluation: head().logits().
  void evaluate(const ImageSource& source, int64_t images);

  // The weights as values that are not fp32; null: there are none. The model's are newer until renew_values().
  [[nodiscard]] void* weight_values() { return values_.defined() ? values_.data_ptr() : nullptr; }
  void renew_values();

 private:
  StagePlan plan_;
  at::Tensor values_;  // bfloat16 [as the flat weights]
  KernelSurroundings around_;
  std::vector<std::unique_ptr<KernelStage>> stages_;
  std::unique_ptr<KernelHead> head_;
};

}  // namespace fer_ddp
