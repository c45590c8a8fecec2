#include "kernels/tile_groups.h"

namespace fer_ddp {

void clear_empty_leaves(std::span<const int> leaves, int64_t weights, float* gradients) {
  for (size_t leaf = 0; leaf + 1 < leaves.size(); ++leaf)
    if (leaves[leaf] == leaves[leaf + 1]) std::fill_n(gradients + static_cast<int64_t>(leaf) * weights, weights, 0.0F);
}

bool goes_past_cache(int64_t picture_size, const float* pictures) {
  constexpr int64_t kLarge = 16 * 1024;
  constexpr uintptr_t kLine = 64;
  return picture_size >= kLarge && reinterpret_cast<uintptr_t>(pictures) % kLine == 0;
}

void multiply_positions(const BlockTarget& target, std::span<const int64_t> taps, const Bf16* positions,
                        const Bf16* weights, float* block) {
  const TileGrid& grid = target.grid;
  TileProduct product{.a_row = grid.row(),
                      .taps = taps,
                      .steps = static_cast<int>(grid.depth() / kTileDepth),
                      .b_step = 2 * kTileValues,
                      .b_right = kTileValues,
                      .out = block,
                      .out_row = kBlockSide};
  const int64_t panel = static_cast<int64_t>(taps.size()) * grid.depth();
  for (int channel = 0; channel < target.channels; channel += kBlockSide) {
    product.b = weights + channel * panel;
    for (int64_t first = 0; first < grid.outputs(target.pictures); first += kBlockSide) {
      product.a = positions + first * grid.row();
      multiply_tiles(product);
      unpack_block(target, block, first, channel);
    }
  }
}

void write_part(const float* block, int rows, int columns, int64_t stride, bool add, float* to) {
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column) {
      float& value = to[row * stride + column];
      value = (add ? value : 0.0F) + block[row * kBlockSide + column];
    }
}

}  // namespace fer_ddp
