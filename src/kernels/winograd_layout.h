// The layouts that the parts of winograd.h share: transformed tiles, and transformed weights in panels.
#pragma once

#include <cstdint>

namespace fer_ddp {

// Transformed weights are [point][panel][input][kPanel outputs]; the last panel may have half as many.
inline constexpr int kPanel = 32;

// The weights' gradient is made for so many input and output channels at a time, which stay in the second-level cache:
// [point][input][output], with a gap between points.
inline constexpr int kInputBlock = 32;
inline constexpr int kOutputBlock = 64;
constexpr int64_t weight_block_plane(int inputs, int outputs) { return int64_t{inputs} * outputs + 16; }

// [point][tile][channel], in floats.
struct PlaneLayout {
  int64_t row;    // from a tile to the next
  int64_t plane;  // from a point to the next
  constexpr PlaneLayout(int tiles, int channels)
      : row(channels >= 128 ? channels + 16 : channels), plane(tiles * row + 16) {}
};

}  // namespace fer_ddp
