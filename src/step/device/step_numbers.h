// The few numbers that change from step to step, in the device's memory, where recorded work reads them: set on the
// host, and brought there by one copy before the work begins. The copy may still read the host's memory when later
// steps are begun: there is a place for each step that may be under way.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

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

  static constexpr int64_t kMostSteps = 4;  // whose results are outstanding when the next is begun

  explicit StepNumbers(at::Device device)
      : places_(at::zeros({kMostSteps + 2, kNumbers}, at::TensorOptions(at::kInt).pinned_memory(device.is_cuda()))),
        integers_(at::zeros({kNumbers}, at::TensorOptions(at::kInt).device(device))),
        floats_(integers_.view(at::kFloat)) {}

  void set(Number number, int32_t value) { host_[number] = value; }
  void set(Number number, float value) { host_[number] = std::bit_cast<int32_t>(value); }
  // Not waited for.
  void upload() {
    const at::Tensor place = places_.select(0, next_);
    next_ = (next_ + 1) % places_.size(0);
    std::copy(host_.begin(), host_.end(), place.data_ptr<int32_t>());
    integers_.copy_(place, true);
  }

  // [], of the device.
  [[nodiscard]] at::Tensor integer(Number number) const { return integers_.select(0, number); }
  [[nodiscard]] at::Tensor number(Number number) const { return floats_.select(0, number); }
  // The addresses of the same.
  [[nodiscard]] const int32_t* integer_at(Number number) const { return integers_.const_data_ptr<int32_t>() + number; }
  [[nodiscard]] const float* number_at(Number number) const { return floats_.const_data_ptr<float>() + number; }

 private:
  std::array<int32_t, kNumbers> host_{};
  at::Tensor places_;  // page-locked where the device is a GPU
  int64_t next_ = 0;
  at::Tensor integers_, floats_;  // the same memory
};

}  // namespace fer_ddp
