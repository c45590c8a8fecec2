// Batch normalisation with the options of a table's batch_norm, which are PyTorch's or Keras', and with statistics over
// the whole global batch: sums are added up over all ranks between the two halves of forward and of backward. LibTorch
// has no such module for the CPU. With an identity for SumOverRanks the statistics are local.
#pragma once

#include "model/model.h"

namespace fer_ddp {

struct BatchNormState {
  at::Tensor weight;        // gamma [c]
  at::Tensor bias;          // beta [c]
  at::Tensor running_mean;  // [c], updated in place by a forward in training
  at::Tensor running_var;   // [c]
  layer::BatchNorm options{};

  // What stays of the running statistics in an update.
  [[nodiscard]] double kept_share() const { return 1.0 - options.momentum; }
  // What the batch's variance is multiplied by on its way to the running one; rows: the values of a channel. PyTorch
  // refuses a single one; here it leaves the variance as it is.
  [[nodiscard]] double variance_correction(int64_t rows) const {
    return options.unbiased_variance && rows > 1 ? static_cast<double>(rows) / static_cast<double>(rows - 1) : 1.0;
  }
};

// x: [n, c, h, w] fp32, channels_last; the result has the same shape and strides.
[[nodiscard]] at::Tensor batch_norm(const at::Tensor& x, const BatchNormState& state, const ForwardContext& context);

}  // namespace fer_ddp
