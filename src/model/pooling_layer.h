// ReLU + 2 x 2 max-pooling as one differentiable operator (kernels/relu_max_pool.h), on CPU tensors with channels_last
// strides.
#pragma once

#include "model/torch_headers.h"

namespace fer_ddp {

// x: [n, c, h, w] fp32; returns [n, c, h / 2, w / 2] with channels_last strides.
[[nodiscard]] at::Tensor relu_max_pool(const at::Tensor& x);

}  // namespace fer_ddp
