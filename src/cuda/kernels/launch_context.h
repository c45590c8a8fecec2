// What the kernels' host functions need to know of the device they start on.
#pragma once

#include "device_words.h"

namespace fer_ddp::cuda {

struct LaunchContext {
  Stream stream{};
  int multiprocessors = 1;
  // Working memory of sums by channel (channel_sums.cuh), channel_sum_parts() floats of the largest such extent. Its
  // owner sets it to zero once; each call leaves the counters at its beginning at zero. One call at a time.
  float* channel_parts = nullptr;
};

}  // namespace fer_ddp::cuda
