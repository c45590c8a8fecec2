#include "kernels/pooled_convolution_gradient.h"

#include <cstring>
#include <stdexcept>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pooled_convolution_gradient.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

inline constexpr int kMostColumns = 64;  // pooled columns that a row may have

// Which of kOutputs (up to 64) channels' winners equal `code`, one bit each.
template <int kOutputs>
HWY_INLINE uint64_t channels_won_by(const uint8_t* winners, uint8_t code) {
  const hn::CappedTag<uint8_t, kOutputs> bytes;
  constexpr int kStep = static_cast<int>(hn::MaxLanes(bytes));
  uint64_t bits = 0;
  for (int channel = 0; channel < kOutputs; channel += kStep) {
    uint8_t part[8] = {};
    hn::StoreMaskBits(bytes, hn::Eq(hn::LoadU(bytes, winners + channel), hn::Set(bytes, code)), part);
    uint64_t step_bits = 0;
    std::memcpy(&step_bits, part, sizeof(step_bits));
    bits |= step_bits << channel;
  }
  return bits;
}

// For each channel in `channels`: target[x] += gradient[channel] * weights[channel][x] for the three taps of one row.
template <int kInputs, int kVectors>
HWY_INLINE void scatter(uint64_t channels, const float* gradient, const float* weights, Floats (*target)[kVectors]) {
  while (channels != 0) {
    const int channel = __builtin_ctzll(channels);
    channels &= channels - 1;
    const Floats value = broadcast(gradient[channel]);
    const float* taps = weights + int64_t{channel} * 9 * kInputs;
#pragma GCC unroll 3
    for (int x = 0; x < 3; ++x)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v)
        target[x][v] = hn::MulAdd(value, load(taps + x * kInputs + v * kLanes), target[x][v]);
  }
}

// One row of taps of one row of windows: tap row by tap row, so that its weights stay in the first-level cache.
template <int kInputs, int kOutputs, int kVectors>
void scatter_row(const BlockShape& shape, const float* weights, const uint64_t (*won)[4], const float* gradient,
                 float* target_rows) {
  for (int column = 0; column < shape.pooled_width(); ++column) {
    for (int below = 0; below < 2; ++below) {
      float* at = target_rows + (int64_t{below} * shape.width + 2 * column) * kInputs;
      Floats target[4][kVectors];
#pragma GCC unroll 4
      for (int x = 0; x < 4; ++x)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) target[x][v] = load(at + x * kInputs + v * kLanes);
      const float* values = gradient + int64_t{column} * kOutputs;
      scatter<kInputs, kVectors>(won[column][2 * below], values, weights, target);
      scatter<kInputs, kVectors>(won[column][2 * below + 1], values, weights, target + 1);
#pragma GCC unroll 4
      for (int x = 0; x < 4; ++x)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) store(target[x][v], at + x * kInputs + v * kLanes);
    }
  }
}

template <int kInputs, int kOutputs>
void data_gradient(const BlockShape& shape, const float* weights, const uint8_t* winners, const float* gradient,
                   float* input_gradient) {
  constexpr int kVectors = kManyRegisters ? 2 : 1;
  static_assert(kInputs % (kVectors * kLanes) == 0 || kInputs == kLanes);
  constexpr int kUsed = kInputs < kVectors * kLanes ? 1 : kVectors;
  const int64_t pooled_row = int64_t{shape.pooled_width()} * kOutputs;
  std::memset(input_gradient, 0, static_cast<size_t>(shape.input_size()) * sizeof(float));
  uint64_t won[kMostColumns][4];
  for (int row = 0; row < shape.pooled_height(); ++row) {
    for (int column = 0; column < shape.pooled_width(); ++column)
      for (int code = 0; code < 4; ++code)
        won[column][code] = channels_won_by<kOutputs>(winners + row * pooled_row + int64_t{column} * kOutputs,
                                                      static_cast<uint8_t>(code));
    for (int tap_row = 0; tap_row < 3; ++tap_row)
      for (int input = 0; input < kInputs; input += kUsed * kLanes)
        scatter_row<kInputs, kOutputs, kUsed>(
            shape, weights + tap_row * 3 * kInputs + input, won, gradient + row * pooled_row,
            input_gradient + (2 * row + tap_row) * int64_t{shape.width} * kInputs + input);
  }
}

inline constexpr int kRowsAtOnce = 2;  // pooled rows whose inputs stay in the first-level cache

struct LiveWindow {
  uint32_t offset;  // of the winning position's patch in the input
  float gradient;
};

// The windows of `rows` pooled rows that give a channel a gradient.
template <int kOutputs>
HWY_INLINE int live_windows(int rows, int columns, int64_t pooled_row, const uint8_t* winners, const float* gradient,
                            const uint32_t* offset_of, uint32_t row_step, uint32_t column_step, LiveWindow* live) {
  int count = 0;
  for (int row = 0; row < rows; ++row) {
    uint32_t base = static_cast<uint32_t>(row) * row_step;
    const uint8_t* winner = winners + row * pooled_row;
    const float* value = gradient + row * pooled_row;
    // Without a branch: whether a window is alive is a coin's throw.
    for (int column = 0; column < columns; ++column, base += column_step) {
      const uint32_t code = winner[int64_t{column} * kOutputs];
      live[count] = {base + offset_of[code], value[int64_t{column} * kOutputs]};
      count += code < 4 ? 1 : 0;
    }
  }
  return count;
}

template <int kInputs, int kVectors>
HWY_INLINE void gather(const LiveWindow* live, int count, const float* input, int64_t input_row, float* weights) {
  Floats taps[9][kVectors];
#pragma GCC unroll 9
  for (int tap = 0; tap < 9; ++tap)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) taps[tap][v] = load(weights + tap * kInputs + v * kLanes);
  for (int i = 0; i < count; ++i) {
    const Floats value = broadcast(live[i].gradient);
    const float* patch = input + live[i].offset;
#pragma GCC unroll 9
    for (int tap = 0; tap < 9; ++tap)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v)
        taps[tap][v] =
            hn::MulAdd(value, load(patch + (tap / 3) * input_row + (tap % 3) * kInputs + v * kLanes), taps[tap][v]);
  }
#pragma GCC unroll 9
  for (int tap = 0; tap < 9; ++tap)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store(taps[tap][v], weights + tap * kInputs + v * kLanes);
}

template <int kOutputs>
void add_bias_gradient(const BlockShape& shape, const float* gradient, float* bias_gradient) {
  for (int channel = 0; channel < kOutputs; channel += kLanes) {
    Floats sum = load(bias_gradient + channel);
    for (int64_t at = channel; at < shape.pooled_size(); at += kOutputs) sum = hn::Add(sum, load(gradient + at));
    store(sum, bias_gradient + channel);
  }
}

template <int kInputs, int kOutputs>
void weight_gradient(const BlockShape& shape, const float* input, const uint8_t* winners, const float* gradient,
                     float* weights, float* bias) {
  constexpr int kVectors = kManyRegisters && kInputs >= 2 * kLanes ? 2 : 1;
  const int64_t input_row = int64_t{shape.width} * kInputs;
  const int64_t pooled_row = int64_t{shape.pooled_width()} * kOutputs;
  const auto row_offset = static_cast<uint32_t>(input_row);
  const uint32_t offset_of[5] = {0, kInputs, row_offset, row_offset + kInputs, 0};
  LiveWindow live[kRowsAtOnce * kMostColumns];
  for (int row = 0; row < shape.pooled_height(); row += kRowsAtOnce) {
    const int rows = row + kRowsAtOnce <= shape.pooled_height() ? kRowsAtOnce : shape.pooled_height() - row;
    for (int output = 0; output < kOutputs; ++output) {
      const int64_t at = row * pooled_row + output;
      const int count = live_windows<kOutputs>(rows, shape.pooled_width(), pooled_row, winners + at, gradient + at,
                                               offset_of, 2 * row_offset, 2 * kInputs, live);
      for (int channel = 0; channel < kInputs; channel += kVectors * kLanes)
        gather<kInputs, kVectors>(live, count, input + 2 * row * input_row + channel, input_row,
                                  weights + int64_t{output} * 9 * kInputs + channel);
    }
  }
  add_bias_gradient<kOutputs>(shape, gradient, bias);
}

[[noreturn]] void refuse_shape() {
  throw std::invalid_argument("pooled_convolution_gradient: 16 to 32 or 32 to 64 channels, at most 64 pooled columns");
}

void data_gradient_any(const BlockShape& shape, const float* weights, const uint8_t* winners, const float* gradient,
                       float* input_gradient) {
  if (shape.pooled_width() > kMostColumns) refuse_shape();
  if (shape.input_channels == 16 && shape.output_channels == 32)
    return data_gradient<16, 32>(shape, weights, winners, gradient, input_gradient);
  if (shape.input_channels == 32 && shape.output_channels == 64)
    return data_gradient<32, 64>(shape, weights, winners, gradient, input_gradient);
  refuse_shape();
}

void weight_gradient_any(const BlockShape& shape, const float* input, const uint8_t* winners, const float* gradient,
                         float* weights, float* bias) {
  if (shape.pooled_width() > kMostColumns) refuse_shape();
  if (shape.input_channels == 16 && shape.output_channels == 32)
    return weight_gradient<16, 32>(shape, input, winners, gradient, weights, bias);
  if (shape.input_channels == 32 && shape.output_channels == 64)
    return weight_gradient<32, 64>(shape, input, winners, gradient, weights, bias);
  refuse_shape();
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(data_gradient_any);
HWY_EXPORT(weight_gradient_any);

void pooled_convolution_data_gradient(const BlockShape& shape, const float* weights, const uint8_t* winners,
                                      const float* gradient, float* input_gradient) {
  HWY_DYNAMIC_DISPATCH(data_gradient_any)(shape, weights, winners, gradient, input_gradient);
}

void pooled_convolution_weight_gradient(const BlockShape& shape, const float* input, const uint8_t* winners,
                                        const float* gradient, float* weight_gradient, float* bias_gradient) {
  HWY_DYNAMIC_DISPATCH(weight_gradient_any)(shape, input, winners, gradient, weight_gradient, bias_gradient);
}

}  // namespace fer_ddp
#endif
