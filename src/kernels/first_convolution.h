// The first block, from an image of one channel: 3 x 3 convolution, ReLU and 2 x 2 max-pooling in one pass, directly: a
// window's four sums for all channels stay in registers, and only the pooled value and its winner are written.
//
// Its gradient asks for the weights alone (an image needs none), and at most one of a window's four positions has a
// gradient. It goes through the batch normalisation after the block on its way, see normalization_gradient.h.
//
// Thread-safe, no allocation; channels: 16 or 32.
#pragma once

#include <cstdint>

#include "kernels/block_shape.h"
#include "kernels/normalization_gradient.h"

namespace fer_ddp {

struct FirstConvolution {
  BlockShape shape;                // input_channels is 1
  const float* weights = nullptr;  // [9][channels]
  const float* bias = nullptr;     // [channels]
  const float* centre = nullptr;   // [channels]: what the sums are taken about, any value near the mean
};

// image: [height][width]. Writes pooled and winners [pooled_height][pooled_width][channels] and adds to sums
// [2 * channels] those of (pooled - centre) and of its squares.
void first_convolution(const FirstConvolution& layer, const float* image, float* pooled, uint8_t* winners,
                       double* sums);

// Adds one image's part to weight_gradient [9][channels] and bias_gradient [channels]. `gradient`: of the values after
// normalisation, [pooled_height][pooled_width][channels].
void first_convolution_gradient(const BlockShape& shape, const float* image, const float* pooled,
                                const uint8_t* winners, const float* gradient,
                                const NormalizationGradient& normalization, float* weight_gradient,
                                float* bias_gradient);

}  // namespace fer_ddp
