// What the convolutions by matrix tiles have in common (tile_convolution.h, strided_tiles.h): the parts of a call's
// scratch, groups of a leaf's pictures, and the products of a group's positions with weights. Thread-safe, no
// allocation.
#pragma once

#include <algorithm>
#include <span>

#include "kernels/tile_packing.h"

namespace fer_ddp {

// Parts of a call's scratch, each at a multiple of 64 bytes.
class TileScratch {
 public:
  explicit TileScratch(float* memory) : memory_(memory) {}
  float* floats(int64_t count) { return take(count); }
  Bf16* halves(int64_t count) { return reinterpret_cast<Bf16*>(take((count + 1) / 2)); }
  [[nodiscard]] int64_t size() const { return used_; }  // floats

 private:
  float* take(int64_t count) {
    constexpr int64_t kLine = 16;
    float* const part = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += round_up(count, kLine);
    return part;
  }
  float* memory_;  // null: to learn the size
  int64_t used_ = 0;
};

// Calls work(leaf, first image, images, whether it is the leaf's first) for the groups of each leaf.
template <typename Work>
void for_each_group(int pictures, std::span<const int> leaves, const Work& work) {
  for (size_t leaf = 0; leaf + 1 < leaves.size(); ++leaf)
    for (int first = leaves[leaf]; first < leaves[leaf + 1]; first += pictures)
      work(static_cast<int64_t>(leaf), first, std::min(pictures, leaves[leaf + 1] - first), first == leaves[leaf]);
}

// Zeros for the weights' gradients [leaves][weights] of leaves without an image.
void clear_empty_leaves(std::span<const int> leaves, int64_t weights, float* gradients);

// Whether a large output would leave the cache before it is read again: written past it, it need not be fetched first.
[[nodiscard]] bool goes_past_cache(int64_t picture_size, const float* pictures);

// All outputs of a group: 32 channels at a time, whose weights stay in a cache. taps: where each one's values lie from
// a position's own on. block: [32][32].
void multiply_positions(const BlockTarget& target, std::span<const int64_t> taps, const Bf16* positions,
                        const Bf16* weights, float* block);

// A block of the weights' gradient, to be written to `to`, rows [outputs] apart, or added to it.
struct WeightBlock {
  int rows = 0;     // inputs, at most 32
  int columns = 0;  // and outputs
  int outputs = 0;  // of the layer
  float* to = nullptr;
  bool add = false;
};

// Takes the product, all but whose `out` is given. block: [32][32], for what does not fill one.
void multiply_into_weights(TileProduct product, const WeightBlock& weights, float* block);

// The outputs' gradient from one image on, of pictures as the grid has them.
[[nodiscard]] MappedGradient from_image(const TileGrid& grid, MappedGradient gradient, int64_t image);

// Pictures of a group, one at least, so that what backward goes through, the grids in both layouts, stays in the
// second-level cache.
[[nodiscard]] int pictures_at_once(const TileGrid& from, const TileGrid& by);

}  // namespace fer_ddp
