// Batch normalisation as in batch_norm_layer.h, made of LibTorch's operators, so that it runs on any device and can be
// captured into a CUDA graph: no value is read on the host. All in fp32: on most GPUs fp64 has a sixty-fourth of its
// speed.
#pragma once

#include "model/batch_norm_layer.h"

namespace fer_ddp {

[[nodiscard]] at::Tensor tensor_batch_norm(const at::Tensor& x, const BatchNormState& state,
                                           const ForwardContext& context);

}  // namespace fer_ddp
