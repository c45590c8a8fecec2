// Bytes that each step brings to one place of a device's memory, where recorded work reads them, by one copy that
// nothing waits for. The copy may still read the host's memory when later steps are begun: there is a place for each
// step that may be under way.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <cstdint>

namespace fer_ddp {

class StepUpload {
 public:
  static constexpr int64_t kMostSteps = 4;  // whose results are outstanding when the next is begun

  StepUpload(int64_t bytes, at::Device device)
      : places_(at::zeros({kMostSteps + 2, (bytes + kAlignment - 1) / kAlignment * kAlignment},
                          at::TensorOptions(at::kByte).pinned_memory(device.is_cuda()))),
        arrived_(at::zeros({bytes}, at::TensorOptions(at::kByte).device(device))) {}

  // Where the host writes a step's bytes, 64-byte aligned; what was written here before has arrived. Until send().
  [[nodiscard]] uint8_t* place() { return places_.data_ptr<uint8_t>() + next_ * places_.size(1); }
  // Brings the first `bytes` of the place over.
  void send(int64_t bytes) {
    arrived_.narrow(0, 0, bytes).copy_(places_.select(0, next_).narrow(0, 0, bytes), true);
    next_ = (next_ + 1) % places_.size(0);
  }

  // uint8 [bytes], of the device: always the same memory.
  [[nodiscard]] const at::Tensor& arrived() const { return arrived_; }

 private:
  static constexpr int64_t kAlignment = 64;

  at::Tensor places_;  // page-locked where the device is a GPU
  int64_t next_ = 0;
  at::Tensor arrived_;
};

}  // namespace fer_ddp
