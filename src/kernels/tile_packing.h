// What is done to pictures and weights before and after the matrix products of tile_convolution.h and strided_tiles.h:
// rounding to bf16, to nearest, ties to even; the layouts of tile_layout.h and of TileProduct's operands; and outputs
// back to fp32 pictures. Thread-safe, no allocation.
#pragma once

#include "kernels/tile_layout.h"

namespace fer_ddp {

// A group's positions [positions][row]: one picture at a time, then what lies around all of them.
void pack_picture(const TileGrid& grid, const MappedValues& values, int picture, Bf16* positions);
void pack_gradient(const TileGrid& grid, const MappedGradient& gradient, int picture, Bf16* positions);
void pack_ends(const TileGrid& grid, int pictures, Bf16* positions);

// The same [depth][positions], and as B of a product over positions, from the first picture on: [depth / 16] tiles of
// [outputs / 2 pairs][16][2].
void turn_positions(const TileGrid& grid, const Bf16* positions, int pictures, Bf16* turned);
void pair_positions(const TileGrid& grid, const Bf16* positions, int pictures, Bf16* pairs);

// Weights [taps][input][output] of input channels [begin, end), multiples of 32 or the last one's end, as
// packed_weights_size() says: for forward, and for the gradient of the inputs, where inputs and outputs change places
// and taps turn round.
void pack_weights(const WeightShape& shape, const float* weights, int begin, int end, Bf16* forward, Bf16* transposed);

// Where a block of a product goes.
struct BlockTarget {
  TileGrid grid;  // of what went in
  int pictures = 0;
  int height = 0;  // of the pictures that come out
  int width = 0;
  int channels = 0;
  float* output = nullptr;  // the group's, [picture][height][width][channels]
  bool add = false;         // to what is there
  bool past_cache = false;  // where the output is not read soon; it is then at a multiple of 64
  // [2 * channels]: added to, of (output - middle) and of its squares; or, where `seen` is what the group's outputs are
  // the gradient of, of what ReLU lets through of them and of that times (value - middle). Null: not asked for.
  double* sums = nullptr;
  const float* middle = nullptr;
  MappedValues seen{};
};

// block [32 positions from `first` on][32 channels from `channel` on].
void unpack_block(const BlockTarget& target, const float* block, int64_t first, int channel);

}  // namespace fer_ddp
