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

void multiply_into_weights(TileProduct product, const WeightBlock& weights, float* block) {
  const bool whole = weights.rows == kBlockSide && weights.columns == kBlockSide;
  product.out = whole ? weights.to : block;
  product.out_row = whole ? weights.outputs : kBlockSide;
  product.add = whole && weights.add;
  multiply_tiles(product);
  if (whole) return;
  for (int row = 0; row < weights.rows; ++row)
    for (int column = 0; column < weights.columns; ++column) {
      float& value = weights.to[int64_t{row} * weights.outputs + column];
      value = (weights.add ? value : 0.0F) + block[row * kBlockSide + column];
    }
}

MappedGradient from_image(const TileGrid& grid, MappedGradient gradient, int64_t image) {
  const bool is_pooled = gradient.winners != nullptr;
  const int64_t size = int64_t{grid.height} * grid.width * grid.channels;
  const int64_t given = is_pooled ? int64_t{grid.height / 2} * (grid.width / 2) * grid.channels : size;
  gradient.gradient += image * given;
  if (is_pooled) gradient.winners += image * given;
  if (gradient.z.values != nullptr) gradient.z.values += image * size;
  return gradient;
}

int pictures_at_once(const TileGrid& from, const TileGrid& by) {
  constexpr int64_t kCachedValues = 256 * 1024;
  return static_cast<int>(std::max<int64_t>(1, kCachedValues / (from.picture() * (from.depth() + by.depth()))));
}

}  // namespace fer_ddp
