// Strided and 1 x 1 convolutions as one matrix product: a position of the output is a row, [taps][input channels], of
// the inputs that its taps see, as bf16 and zeros outside of the picture (im2col); and back, where the product is the
// inputs' gradient, each tap's is added to its input's. Thread-safe, no allocation.
#pragma once

#include "kernels/strided_convolution.h"
#include "kernels/tile_layout.h"

namespace fer_ddp {

// Channels of a tap in a row, the last ones zero.
constexpr int64_t tap_depth(const StridedShape& shape) { return round_up(shape.input_channels, kTileDepth); }

// Of the rows: a position of the output each, whose channels are those of all of its taps.
constexpr TileGrid column_grid(const StridedShape& shape) {
  const auto depth = static_cast<int>(shape.taps() * tap_depth(shape));
  return {.height = shape.output_height(), .width = shape.output_width(), .channels = depth, .border = 0, .window = 1};
}

// input [height][width][input_channels]: the picture's. columns [positions][row]: the group's.
void pack_columns(const StridedShape& shape, const float* input, int picture, Bf16* columns);

// Adds a product's block [32 positions from `first` on][32 input channels from `channel` on] of a tap to the inputs'
// gradient of the group's pictures.
void add_column_block(const StridedShape& shape, const float* block, int64_t first, int pictures, int tap, int channel,
                      float* input_gradient);

}  // namespace fer_ddp
