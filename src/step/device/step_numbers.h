// The few numbers that change from step to step, in the device's memory, where recorded work reads them: set on the
// host, and brought there by one copy before the work begins.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "step/device/step_upload.h"

namespace fer_ddp {

class StepNumbers {
 public:
  enum Number : size_t {
    kPosition,      // int32: of this rank's first image in the epoch
    kKeptRow,       // int32: that image's row among those that dropout is known of
    kLossScale,     // 1 / images of the global batch
    kLearningRate,  // with an optimizer's corrections for its first steps
    kDecayFactor,   // what weights are multiplied by before an update, or what is dropped of them
    kAverageShare,  // of the new weights in their averages
    kNumbers
  };

  explicit StepNumbers(at::Device device)
      : upload_(sizeof(host_), device),
        integers_(upload_.arrived().view(at::kInt)),
        floats_(integers_.view(at::kFloat)) {}

  void set(Number number, int32_t value) { host_[number] = value; }
  void set(Number number, float value) { host_[number] = std::bit_cast<int32_t>(value); }
  // Not waited for.
  void upload() {
    std::memcpy(upload_.place(), host_.data(), sizeof(host_));
    upload_.send(sizeof(host_));
  }

  // [], of the device.
  [[nodiscard]] at::Tensor integer(Number number) const { return integers_.select(0, number); }
  [[nodiscard]] at::Tensor number(Number number) const { return floats_.select(0, number); }
  // The addresses of the same.
  [[nodiscard]] const int32_t* integer_at(Number number) const { return integers_.const_data_ptr<int32_t>() + number; }
  [[nodiscard]] const float* number_at(Number number) const { return floats_.const_data_ptr<float>() + number; }

 private:
  std::array<int32_t, kNumbers> host_{};
  StepUpload upload_;
  at::Tensor integers_, floats_;  // the same memory
};

}  // namespace fer_ddp
