// The extents and numbers of multiprocessors that the tests of kernels by channel go through.
#pragma once

#include <limits>
#include <string>

#include "cuda/kernels/channel_sums.cuh"
#include "unit/cuda_map_reference.h"

namespace fer_ddp::cuda {

using Kind = ChannelMap::Kind;

struct Case {
  DeviceExtent extent;
  int multiprocessors;
};

// Odd extents, tiles of all widths, more and less rows than threads, one share that is empty.
inline const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{1, 1, 1, 16}, 1},   {{3, 5, 7, 16}, 3},  {{2, 11, 10, 32}, 1},  {{9, 13, 12, 16}, 3},
      {{4, 9, 9, 48}, 132}, {{2, 6, 5, 80}, 3},  {{1, 3, 2, 512}, 132}, {{3, 4, 3, 272}, 3},
      {{0, 6, 6, 32}, 3},   {{5, 1, 1, 128}, 1}, {{2, 48, 1, 64}, 132}, {{1, 1, 9, 32}, 3},
  };
  return all;
}

inline std::string name_of(const Case& one) {
  const DeviceExtent& extent = one.extent;
  return std::to_string(extent.images) + "x" + std::to_string(extent.height) + "x" + std::to_string(extent.width) +
         "x" + std::to_string(extent.channels) + " on " + std::to_string(one.multiprocessors);
}

// As its owner makes it.
inline LaunchContext context_for(KernelMemory& memory, const Case& one) {
  LaunchContext context;
  context.multiprocessors = one.multiprocessors;
  const int64_t size = channel_sum_parts(one.extent, one.multiprocessors);
  std::vector<float> parts(static_cast<size_t>(size), std::numeric_limits<float>::quiet_NaN());
  std::fill(parts.begin(), parts.begin() + kMostTiles, 0.0F);
  context.channel_parts = memory.output(parts);
  return context;
}

inline void expect_counters_at_zero(const LaunchContext& context) {
  EXPECT_TRUE(std::all_of(context.channel_parts, context.channel_parts + kMostTiles,
                          [](float counter) { return counter == 0; }));
}

}  // namespace fer_ddp::cuda
