// ReLU + 2 x 2 max-pooling as one differentiable operator: this project's CPU kernel (kernels/relu_max_pool.h), or
// LibTorch's operators on any device.
#pragma once

#include <ATen/core/Tensor.h>

namespace fer_ddp {

// x: [n, c, h, w] fp32 or bf16; returns [n, c, h / 2, w / 2] fp32 with channels_last strides.
[[nodiscard]] at::Tensor relu_max_pool(const at::Tensor& x, bool tensor_operators);

}  // namespace fer_ddp
