// A device's gradients by LibTorch's autograd, of any network, without fp64 in a step; gradients are summed over the
// ranks bucket by bucket while backward still runs.
#pragma once

#include <memory>

#include "model/model.h"
#include "step/autograd/gradient_buckets.h"
#include "step/autograd/gradient_hooks.h"
#include "step/device/device_engine.h"
#include "step/device/device_feed.h"
#include "step/device/device_runtime.h"
#include "step/device/device_teachers.h"

namespace fer_ddp {

class AutogradEngine final : public DeviceEngine {
 public:
  // model: the device's. All outlive this. teachers: null where it learns from none; they are copied to the device.
  AutogradEngine(Model& model, const DeviceFeed& feed, const StepNumbers& numbers, DeviceRuntime& runtime,
                 const Config& config, const Teachers* teachers);

  void compute(int64_t images, int64_t global_images, at::Tensor& sums) override;
  void load() override {}
  void weights_changed() override {}
  [[nodiscard]] at::Tensor logits(const at::Tensor& images) override;

 private:
  [[nodiscard]] at::Tensor said_by_teachers(int64_t images);

  Model& model_;
  const DeviceFeed& feed_;
  const StepNumbers& numbers_;
  Config config_;
  std::unique_ptr<DeviceTeachers> teachers_;  // may be null
  std::unique_ptr<Reducer> rounded_;          // null where gradients are summed as they are
  GradientBuckets buckets_;
  GradientHooks hooks_;
  SumOverRanks sum_statistics_;
};

}  // namespace fer_ddp
