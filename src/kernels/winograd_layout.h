// The layouts that the parts of winograd.h share: transformed tiles, and transformed weights in panels.
#pragma once

#include <cstdint>

namespace fer_ddp {

// Transformed weights are [point][panel][input][kPanel outputs]; the last panel may have half as many.
inline constexpr int kPanel = 32;

// [point][tile][channel], in floats.
struct PlaneLayout {
  int64_t row;    // from a tile to the next
  int64_t plane;  // from a point to the next
  constexpr PlaneLayout(int tiles, int channels)
      : row(channels >= 128 ? channels + 16 : channels), plane(tiles * row + 16) {}
};

}  // namespace fer_ddp
