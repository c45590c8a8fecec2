#include "step/device/rounded_reducer.h"

#include <ATen/ops/empty_like.h>

#include <utility>

namespace fer_ddp {

namespace {

class PendingRoundedSum final : public PendingReduction {
 public:
  PendingRoundedSum(std::unique_ptr<PendingReduction> sum, at::Tensor rounded, at::Tensor values)
      : sum_(std::move(sum)), rounded_(std::move(rounded)), values_(std::move(values)) {}
  void wait() override {
    sum_->wait();
    values_.copy_(rounded_);
  }

 private:
  std::unique_ptr<PendingReduction> sum_;
  at::Tensor rounded_, values_;
};

class RoundingReducer final : public Reducer {
 public:
  RoundingReducer(Reducer& reducer, const at::Tensor& gradients)
      : reducer_(reducer), gradients_(gradients), rounded_(at::empty_like(gradients, at::kBFloat16)) {}

  void all_reduce(std::span<double> values, ReduceOperation operation) override {
    reducer_.all_reduce(values, operation);
  }

  std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    const auto size = static_cast<int64_t>(values.size());
    const int64_t begin = values.data() - gradients_.const_data_ptr<float>();
    const at::Tensor own = gradients_.narrow(0, begin, size);
    const at::Tensor rounded = rounded_.narrow(0, begin, size);
    rounded.copy_(own);
    auto* bits = static_cast<uint16_t*>(rounded.data_ptr());
    return std::make_unique<PendingRoundedSum>(reducer_.start_bfloat16_sum({bits, values.size()}), rounded, own);
  }

 private:
  Reducer& reducer_;
  at::Tensor gradients_;
  at::Tensor rounded_;  // bfloat16 [as the gradients]
};

}  // namespace

std::unique_ptr<Reducer> make_rounding_reducer(Reducer& reducer, const at::Tensor& gradients, const Config& config) {
  if (config.gradient_all_reduce == GradientAllReduce::kFp32) return nullptr;
  return std::make_unique<RoundingReducer>(reducer, gradients);
}

}  // namespace fer_ddp
