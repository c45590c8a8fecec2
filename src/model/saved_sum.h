// How an autograd function's backward finds again what its forward summed over ranks with.
#pragma once

#include <ATen/core/ivalue.h>

#include <utility>

#include "model/model.h"

namespace fer_ddp {

struct SavedSum final : torch::CustomClassHolder {
  explicit SavedSum(SumOverRanks function) : sum_over_ranks(std::move(function)) {}
  SumOverRanks sum_over_ranks;
};

[[nodiscard]] inline at::IValue save_sum(const SumOverRanks& sum_over_ranks) {
  return at::IValue::make_capsule(c10::make_intrusive<SavedSum>(sum_over_ranks));
}

// `value` is save_sum()'s; it keeps what is returned alive.
[[nodiscard]] inline const SumOverRanks& saved_sum(const at::IValue& value) {
  return static_cast<const SavedSum&>(*value.toCapsule()).sum_over_ranks;
}

}  // namespace fer_ddp
