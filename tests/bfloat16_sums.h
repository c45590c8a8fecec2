// Sums of bfloat16 values in the host's memory as NCCL has them on a GPU: added up, and rounded. The reducer beneath
// sums floats; its other sums pass through, and are counted.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <utility>

#include "comm/reducer.h"

namespace fer_ddp {

class Bfloat16Sums final : public Reducer {
 public:
  explicit Bfloat16Sums(Reducer& reducer) : reducer_(reducer) {}

  void all_reduce(std::span<double> values, ReduceOperation operation) override {
    reducer_.all_reduce(values, operation);
  }
  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    ++sums_of_floats_;
    return reducer_.start_sum(values);
  }
  [[nodiscard]] std::unique_ptr<PendingReduction> start_bfloat16_sum(std::span<uint16_t> values) override {
    return std::make_unique<Pending>(
        reducer_, at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kBFloat16));
  }

  [[nodiscard]] int sums_of_floats() const { return sums_of_floats_; }

 private:
  class Pending final : public PendingReduction {
   public:
    Pending(Reducer& reducer, at::Tensor values)
        : values_(std::move(values)),
          sums_(values_.to(at::kFloat)),
          pending_(reducer.start_sum({sums_.data_ptr<float>(), static_cast<size_t>(sums_.numel())})) {}
    void wait() override {
      pending_->wait();
      values_.copy_(sums_);
    }

   private:
    at::Tensor values_, sums_;
    std::unique_ptr<PendingReduction> pending_;
  };

  Reducer& reducer_;
  int sums_of_floats_ = 0;
};

}  // namespace fer_ddp
