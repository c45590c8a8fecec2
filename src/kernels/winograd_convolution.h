// A further block: 3 x 3 convolution, ReLU and 2 x 2 max-pooling by Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin
// and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): an input tile of 6 x 6 is transformed, 36 small
// matrix products take the place of the convolution, and the result transforms back to 4 x 4 outputs. 36 products take
// the place of 144; rounding grows to some 1e-6 of the largest value. The normalisation before the block is folded into
// its weights. Tiles must cover the pooled outputs exactly: pooled height and width are even.
//
// Thread-safe, no allocation; channels: 16 to 32, or 32 to 64.
#pragma once

#include <cstdint>

#include "kernels/block_shape.h"

namespace fer_ddp {

// Floats in the transformed weights, [36][input_channels][output_channels], and in the scratch of one call.
[[nodiscard]] int64_t winograd_weights_size(const BlockShape& shape);
[[nodiscard]] int64_t winograd_scratch_size(const BlockShape& shape);

// Transforms weights [output][9][input], each times its input channel's scale, for output channels [begin, end).
void winograd_transform_weights(const BlockShape& shape, const float* weights, const float* scale, int begin, int end,
                                float* transformed);

struct WinogradConvolution {
  BlockShape shape;
  const float* transformed_weights = nullptr;
  const float* bias = nullptr;    // [output_channels]
  const float* centre = nullptr;  // [output_channels]: what the sums are taken about
};

// input: [height][width][input_channels]. Writes pooled and winners [pooled_height][pooled_width][output_channels] and
// adds to sums [2 * output_channels] those of (pooled - centre) and of its squares.
void winograd_convolution(const WinogradConvolution& layer, const float* input, float* scratch, float* pooled,
                          uint8_t* winners, double* sums);

}  // namespace fer_ddp
