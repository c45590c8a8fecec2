// Batch normalisation to the letter of keras.layers.BatchNormalization (momentum 0.99, epsilon 1e-3, moving variance
// without Bessel's correction), with statistics over the whole global batch: sums are added up over all ranks between
// the two halves of forward and of backward. LibTorch has no such module for the CPU. With an identity for SumOverRanks
// the statistics are local.
#pragma once

#include "model/model.h"

namespace fer_ddp {

// Keras' constants.
inline constexpr double kBatchNormMomentum = 0.99;
inline constexpr double kBatchNormEpsilon = 1e-3;

struct BatchNormState {
  at::Tensor weight;        // gamma [c], trainable
  at::Tensor bias;          // beta [c], trainable
  at::Tensor running_mean;  // [c], updated in place by a forward in training
  at::Tensor running_var;   // [c]
};

// x: [n, c, h, w] fp32, channels_last; the result has the same shape and strides.
[[nodiscard]] at::Tensor batch_norm(const at::Tensor& x, const BatchNormState& state, const ForwardContext& context);

}  // namespace fer_ddp
