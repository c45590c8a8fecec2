// What a run's teachers (step/teachers.h) say of a step's images on a device: each by the device's own kernels where
// there are some and these match its table, else by LibTorch's operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/config.h"
#include "step/device/device_feed.h"
#include "step/device/device_kernels.h"
#include "step/device/device_runtime.h"
#include "step/device/step_numbers.h"
#include "step/teachers.h"

namespace fer_ddp {

class DeviceTeacher;

class DeviceTeachers {
 public:
  // They are copied to the device. kernels: null where it has none. All but `teachers` outlive this.
  DeviceTeachers(const Teachers& teachers, const DeviceFeed& feed, const StepNumbers& numbers, DeviceRuntime& runtime,
                 DeviceKernels* kernels, const Config& config);
  DeviceTeachers(const DeviceTeachers&) = delete;
  DeviceTeachers& operator=(const DeviceTeachers&) = delete;
  ~DeviceTeachers();

  // Logits of the step's first `images`, which the feed holds: fp32 [teachers, images, 7], of memory that has a place
  // for config.batch_size of each and stays where it is. May be recorded.
  [[nodiscard]] at::Tensor ask(int64_t images);

 private:
  std::vector<std::unique_ptr<DeviceTeacher>> teachers_;
  at::Tensor logits_;  // fp32 [teachers, most images, 7]
};

}  // namespace fer_ddp
