// The gradients of a block's convolution, from those of its pooled values. A pooled value's gradient belongs to the one
// position of its window that was the largest, or to none: at most one in four positions of the convolution's output
// has a gradient. So no dense convolution is run backwards; each live value adds its nine taps where they belong, in
// registers, in order of position. That is a quarter of the products or less, and needs no matrix to be built.
//
// Activations [height][width][channels], weights [output][9][input]. Thread-safe, no allocation; channels: 16 to 32, or
// 32 to 64.
#pragma once

#include <cstdint>

#include "kernels/block_shape.h"

namespace fer_ddp {

// Writes the gradient of one image's input. `gradient` and `winners`: of the pooled values.
void pooled_convolution_data_gradient(const BlockShape& shape, const float* weights, const uint8_t* winners,
                                      const float* gradient, float* input_gradient);

// Adds one image's part to weight_gradient [output][9][input] and bias_gradient [output].
void pooled_convolution_weight_gradient(const BlockShape& shape, const float* input, const uint8_t* winners,
                                        const float* gradient, float* weight_gradient, float* bias_gradient);

}  // namespace fer_ddp
