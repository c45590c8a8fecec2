#include "kernels/batch_norm.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/multiversion.h"

namespace fer_ddp {

namespace {

constexpr int64_t kBlockRows = 64;
constexpr int64_t kChannelsAtOnce = 64;  // keeps a block's partial sums on the stack and in cache

struct PartialSums {
  std::array<float, kChannelsAtOnce> first{};
  std::array<float, kChannelsAtOnce> second{};
};

FER_DDP_MULTIVERSION void sum_block(const float* __restrict x, const float* __restrict centre, int64_t rows,
                                    int64_t stride, int64_t width, PartialSums& __restrict sums) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < width; ++c) {
      const float value = x[row * stride + c];
      const float distance = value - centre[c];
      sums.first[static_cast<size_t>(c)] += value;
      sums.second[static_cast<size_t>(c)] += distance * distance;
    }
  }
}

FER_DDP_MULTIVERSION void gradient_block(const float* __restrict dy, const float* __restrict x,
                                         const float* __restrict mean, int64_t rows, int64_t stride, int64_t width,
                                         PartialSums& __restrict sums) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < width; ++c) {
      const float gradient = dy[row * stride + c];
      sums.first[static_cast<size_t>(c)] += gradient;
      sums.second[static_cast<size_t>(c)] += gradient * (x[row * stride + c] - mean[c]);
    }
  }
}

// Calls block(first row, rows, first channel, channels, partial sums) over all of rows x channels and adds the partial
// sums up.
template <typename Block>
void add_up(int64_t rows, int64_t channels, double* sums, const Block& block) {
  for (int64_t channel = 0; channel < channels; channel += kChannelsAtOnce) {
    const int64_t width = std::min(kChannelsAtOnce, channels - channel);
    for (int64_t row = 0; row < rows; row += kBlockRows) {
      PartialSums partial;
      block(row, std::min(kBlockRows, rows - row), channel, width, partial);
      for (int64_t c = 0; c < width; ++c) {
        sums[channel + c] += static_cast<double>(partial.first[static_cast<size_t>(c)]);
        sums[channels + channel + c] += static_cast<double>(partial.second[static_cast<size_t>(c)]);
      }
    }
  }
}

}  // namespace

void add_channel_sums(const float* x, const float* centre, int64_t rows, int64_t channels, double* sums) {
  add_up(rows, channels, sums, [&](int64_t row, int64_t count, int64_t channel, int64_t width, PartialSums& partial) {
    sum_block(x + row * channels + channel, centre + channel, count, channels, width, partial);
  });
}

void add_gradient_sums(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels,
                       double* sums) {
  add_up(rows, channels, sums, [&](int64_t row, int64_t count, int64_t channel, int64_t width, PartialSums& partial) {
    const int64_t at = row * channels + channel;
    gradient_block(dy + at, x + at, mean + channel, count, channels, width, partial);
  });
}

FER_DDP_MULTIVERSION void scale_and_shift(const float* __restrict x, int64_t rows, int64_t channels,
                                          const float* __restrict scale, const float* __restrict shift,
                                          float* __restrict y) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t c = 0; c < channels; ++c) y[row * channels + c] = x[row * channels + c] * scale[c] + shift[c];
}

FER_DDP_MULTIVERSION void combine_gradients(const float* __restrict dy, const float* __restrict x, int64_t rows,
                                            int64_t channels, const float* __restrict from_dy,
                                            const float* __restrict from_x, const float* __restrict constant,
                                            float* __restrict dx) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = row * channels + c;
      dx[at] = dy[at] * from_dy[c] + x[at] * from_x[c] + constant[c];
    }
  }
}

}  // namespace fer_ddp
