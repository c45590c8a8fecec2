// The 2 x 2 windows of a pool of stride 2. Where a height or width is odd, the last windows are not whole: they take no
// part in the pool, but a gradient is written at their positions too.
#pragma once

#include "cuda/kernels/vectors.cuh"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

struct Windows {
  int height = 0;  // of what is pooled
  int width = 0;
  Divisor per_image;
  Divisor per_row;
  int64_t count = 0;

  Windows() = default;
  // with_partial: also those that are not whole.
  Windows(const DeviceExtent& input, bool with_partial) : height(input.height), width(input.width) {
    const int down = (height + (with_partial ? 1 : 0)) / 2;
    const int across = (width + (with_partial ? 1 : 0)) / 2;
    count = int64_t{input.images} * down * across;
    if (count == 0) return;
    per_image = Divisor(down * across);
    per_row = Divisor(across);
  }
};

struct Window {
  uint32_t corner;  // its first position
  uint32_t pooled;  // its position in the output, if it is whole
  uint32_t there;   // which of its positions are, a bit each

  [[nodiscard]] __device__ bool is_whole() const { return there == 0xfU; }
  [[nodiscard]] __device__ bool has(int i) const { return (there >> i & 1U) != 0; }
};

__device__ inline Window window_at(const Windows& windows, uint32_t number) {
  const uint32_t image = windows.per_image.quotient(number);
  const uint32_t in_image = windows.per_image.remainder(number, image);
  const uint32_t y = windows.per_row.quotient(in_image);
  const uint32_t x = windows.per_row.remainder(in_image, y);
  const auto height = static_cast<uint32_t>(windows.height);
  const auto width = static_cast<uint32_t>(windows.width);
  return {(image * height + 2 * y) * width + 2 * x, (image * (height / 2) + y) * (width / 2) + x,
          (2 * x + 1 < width ? 0xfU : 0x5U) & (2 * y + 1 < height ? 0xfU : 0x3U)};
}

// Of the window's position i = 2 * row + column, in numbers from the first of all.
__device__ inline int64_t window_offset(const Windows& windows, const Window& window, int i, int channels) {
  return int64_t{window.corner} * channels + (i / 2 * windows.width + i % 2) * channels;
}

template <typename T>
__device__ inline void load_window(const void* values, const Windows& windows, const Window& window, int channels,
                                   int channel, Packed (&vectors)[4]) {
  for (int i = 0; i < 4; ++i)
    vectors[i] =
        window.has(i) ? load_packed<T>(values, window_offset(windows, window, i, channels) + channel) : Packed{};
}

// Of four channels the largest so far and where it was: the first of equals; NaN is larger than anything.
struct Largest {
  float value[4] = {};
  int place[4] = {};

  __device__ void take(int i, const float (&candidates)[4]) {
    for (int lane = 0; lane < 4; ++lane) {
      if (i != 0 && !is_larger(candidates[lane], value[lane])) continue;
      value[lane] = candidates[lane];
      place[lane] = i;
    }
  }
  // A byte each.
  [[nodiscard]] __device__ uint32_t places() const {
    uint32_t word = 0;
    for (int lane = 0; lane < 4; ++lane) word |= static_cast<uint32_t>(place[lane]) << (8 * lane);
    return word;
  }
};

}  // namespace fer_ddp::cuda
