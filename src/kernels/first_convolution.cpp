#include "kernels/first_convolution.h"

#include <stdexcept>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/first_convolution.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// The windows of all positions for kVectors vectors of channels, whose weights stay in registers.
template <int kChannels, int kVectors>
void convolve_channels(const FirstConvolution& layer, int first_channel, const float* image, float* pooled,
                       uint8_t* winners, double* sums) {
  Floats weights[9][kVectors];
  Floats bias[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const int channel = first_channel + v * kLanes;
    for (int tap = 0; tap < 9; ++tap) weights[tap][v] = load(layer.weights + tap * kChannels + channel);
    bias[v] = load(layer.bias + channel);
  }
  ChannelSums<kVectors> channel_sums(layer.centre + first_channel);
  const int width = layer.shape.width;
  const int pooled_width = layer.shape.pooled_width();
  for (int row = 0; row < layer.shape.pooled_height(); ++row) {
    for (int column = 0; column < pooled_width; ++column) {
      const float* patch = image + 2 * row * width + 2 * column;
      Floats window[4][kVectors];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) window[i][v] = bias[v];
#pragma GCC unroll 4
      for (int y = 0; y < 4; ++y) {
#pragma GCC unroll 4
        for (int x = 0; x < 4; ++x) {
          const Floats value = broadcast(patch[y * width + x]);
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) {
            const int tap_y = y - i / 2;
            const int tap_x = x - i % 2;
            if (tap_y < 0 || tap_y > 2 || tap_x < 0 || tap_x > 2) continue;
#pragma GCC unroll 2
            for (int v = 0; v < kVectors; ++v)
              window[i][v] = hn::MulAdd(weights[tap_y * 3 + tap_x][v], value, window[i][v]);
          }
        }
      }
      const int64_t at = (int64_t{row} * pooled_width + column) * kChannels + first_channel;
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const Floats value =
            pool_window(window[0][v], window[1][v], window[2][v], window[3][v], winners + at + v * kLanes);
        store(value, pooled + at + v * kLanes);
        channel_sums.add(v, value);
      }
    }
  }
  channel_sums.add_to(sums + first_channel, kChannels);
}

template <int kChannels>
void convolve(const FirstConvolution& layer, const float* image, float* pooled, uint8_t* winners, double* sums) {
  constexpr int kVectors = kManyRegisters && kChannels >= 2 * kLanes ? 2 : 1;
  for (int channel = 0; channel < kChannels; channel += kVectors * kLanes)
    convolve_channels<kChannels, kVectors>(layer, channel, image, pooled, winners, sums);
}

void convolve_any(const FirstConvolution& layer, const float* image, float* pooled, uint8_t* winners, double* sums) {
  switch (layer.shape.output_channels) {
    case 16:
      return convolve<16>(layer, image, pooled, winners, sums);
    case 32:
      return convolve<32>(layer, image, pooled, winners, sums);
    default:
      throw std::invalid_argument("first_convolution: 16 or 32 channels");
  }
}

// What one pooled value's gradient is at each of the window's four positions: at one of them, or at none.
struct WindowGradient {
  Floats at[4];
  HWY_INLINE WindowGradient(Floats gradient, Ints winner) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      at[i] = hn::IfThenElseZero(hn::RebindMask(FloatTag(), hn::Eq(winner, hn::Set(IntTag(), i))), gradient);
  }
};

template <int kChannels>
void add_gradient(const BlockShape& shape, const float* image, const float* pooled, const uint8_t* winners,
                  const float* gradient, const NormalizationGradient& normalization, float* weight_gradient,
                  float* bias_gradient) {
  const int pooled_width = shape.pooled_width();
  for (int channel = 0; channel < kChannels; channel += kLanes) {
    Floats taps[9];
    for (int tap = 0; tap < 9; ++tap) taps[tap] = load(weight_gradient + tap * kChannels + channel);
    Floats bias = load(bias_gradient + channel);
    const Floats scale = load(normalization.scale + channel);
    const Floats slope = load(normalization.slope + channel);
    const Floats constant = load(normalization.constant + channel);
    for (int row = 0; row < shape.pooled_height(); ++row) {
      for (int column = 0; column < pooled_width; ++column) {
        const int64_t at = (int64_t{row} * pooled_width + column) * kChannels + channel;
        const Floats value = hn::MulAdd(load(gradient + at), scale, hn::MulAdd(load(pooled + at), slope, constant));
        const Ints winner = load_winners(winners + at);
        bias = hn::Add(bias, hn::IfThenElseZero(is_alive(winner), value));
        const WindowGradient window(value, winner);
        const float* patch = image + 2 * row * shape.width + 2 * column;
#pragma GCC unroll 4
        for (int y = 0; y < 4; ++y) {
#pragma GCC unroll 4
          for (int x = 0; x < 4; ++x) {
            const Floats pixel = broadcast(patch[y * shape.width + x]);
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) {
              const int tap_y = y - i / 2;
              const int tap_x = x - i % 2;
              if (tap_y < 0 || tap_y > 2 || tap_x < 0 || tap_x > 2) continue;
              taps[tap_y * 3 + tap_x] = hn::MulAdd(window.at[i], pixel, taps[tap_y * 3 + tap_x]);
            }
          }
        }
      }
    }
    for (int tap = 0; tap < 9; ++tap) store(taps[tap], weight_gradient + tap * kChannels + channel);
    store(bias, bias_gradient + channel);
  }
}

void add_gradient_any(const BlockShape& shape, const float* image, const float* pooled, const uint8_t* winners,
                      const float* gradient, const NormalizationGradient& normalization, float* weight_gradient,
                      float* bias_gradient) {
  switch (shape.output_channels) {
    case 16:
      return add_gradient<16>(shape, image, pooled, winners, gradient, normalization, weight_gradient, bias_gradient);
    case 32:
      return add_gradient<32>(shape, image, pooled, winners, gradient, normalization, weight_gradient, bias_gradient);
    default:
      throw std::invalid_argument("first_convolution_gradient: 16 or 32 channels");
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(convolve_any);
HWY_EXPORT(add_gradient_any);

void first_convolution(const FirstConvolution& layer, const float* image, float* pooled, uint8_t* winners,
                       double* sums) {
  HWY_DYNAMIC_DISPATCH(convolve_any)(layer, image, pooled, winners, sums);
}

void first_convolution_gradient(const BlockShape& shape, const float* image, const float* pooled,
                                const uint8_t* winners, const float* gradient,
                                const NormalizationGradient& normalization, float* weight_gradient,
                                float* bias_gradient) {
  HWY_DYNAMIC_DISPATCH(add_gradient_any)
  (shape, image, pooled, winners, gradient, normalization, weight_gradient, bias_gradient);
}

}  // namespace fer_ddp
#endif
