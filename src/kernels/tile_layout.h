// How convolutions by matrix tiles lay pictures out: as bf16 values, one position after the other, all pictures of a
// group in one row, with zeros where a convolution would look beyond a picture's border. A row's right border is the
// next one's left, and a picture's lower border the next one's upper. So a tap of the kernel is the same distance from
// every position, and 32 positions one after the other are a matrix's rows; what comes out for positions of the border
// is dropped.
#pragma once

#include <cstdint>

#include "kernels/convolution_shape.h"
#include "kernels/matrix_tiles.h"

namespace fer_ddp {

constexpr int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

struct TileGrid {
  int height = 0;  // of a picture
  int width = 0;
  int channels = 0;
  int border = 0;  // zeros around it: 0, 1 or 2
  int window = 3;  // side of what a position takes, itself and to the right of and below it: 3, or 1 for itself alone

  [[nodiscard]] constexpr int pitch() const { return width + border; }  // positions from a row to the next
  [[nodiscard]] constexpr int64_t picture() const { return int64_t{height + border} * pitch(); }  // and of pictures
  [[nodiscard]] constexpr int64_t lead() const { return int64_t{border} * (pitch() + 1); }  // zeros before the first
  // A position's channels, the last ones zero; and from a position to the next, with a gap that keeps many of them from
  // meeting in the same sets of a cache.
  [[nodiscard]] constexpr int64_t depth() const { return round_up(channels, kTileDepth); }
  [[nodiscard]] constexpr int64_t row() const { return depth() + (depth() >= 128 ? kTileDepth : 0); }
  // Positions that come out, those of borders with them, in whole blocks; and those that are read for it.
  [[nodiscard]] constexpr int64_t outputs(int pictures) const { return round_up(pictures * picture(), kBlockSide); }
  [[nodiscard]] constexpr int64_t positions(int pictures) const {
    return round_up(lead() + outputs(pictures) + (window - 1) * (pitch() + 1), kBlockSide);
  }
};

// Of what the layer sees, and of its outputs' gradient as the convolution that gives the inputs' sees it. Pictures are
// as far apart in one as in the other, and so are their rows.
constexpr TileGrid input_grid(const ConvolutionShape& shape) {
  return {shape.height, shape.width, shape.input_channels, shape.padding};
}
constexpr TileGrid gradient_grid(const ConvolutionShape& shape) {
  return {shape.output_height(), shape.output_width(), shape.output_channels, 2 - shape.padding};
}

struct WeightShape {
  int taps = 9;
  int inputs = 0;
  int outputs = 0;
};

// Packed weights are [panels of 32 outputs][taps][steps of 32 inputs][left, right] tiles.
constexpr int64_t packed_weights_size(const WeightShape& shape) {
  return shape.taps * round_up(shape.inputs, kTileDepth) * round_up(shape.outputs, kTileDepth);
}

}  // namespace fer_ddp
