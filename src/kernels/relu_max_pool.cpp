#include "kernels/relu_max_pool.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/relu_max_pool.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// Calls vector(channel) for every kLanes channels, the last ones again where the channels are no multiple of that, or
// single(channel) for each where there are fewer.
template <typename Vector, typename Single>
HWY_INLINE void for_channels(int64_t channels, const Vector& vector, const Single& single) {
  if (channels < kLanes) {
    for (int64_t channel = 0; channel < channels; ++channel) single(channel);
    return;
  }
  for (int64_t channel = 0; channel + kLanes <= channels; channel += kLanes) vector(channel);
  if (channels % kLanes != 0) vector(channels - kLanes);
}

// What pool_window does, for one channel.
HWY_INLINE float pool_one(float a0, float a1, float a2, float a3, uint8_t* winner) {
  const float above = std::max(a0, a1);
  const float below = std::max(a2, a3);
  const float largest = std::max(above, below);
  const int of_above = a1 > a0 ? 1 : 0;
  const int of_below = a3 > a2 ? 3 : 2;
  const int index = below > above ? of_below : of_above;
  *winner = static_cast<uint8_t>(largest <= 0 ? 4 : index);
  return largest <= 0 ? 0.0F : largest;
}

// One row of windows: `top` and `bottom` are the two input rows.
void forward_row(const float* top, const float* bottom, int64_t windows, int64_t channels, float* pooled,
                 uint8_t* winner) {
  for (int64_t window = 0; window < windows; ++window) {
    const float* a = top + 2 * window * channels;
    const float* b = bottom + 2 * window * channels;
    float* out = pooled + window * channels;
    uint8_t* which = winner + window * channels;
    for_channels(
        channels,
        [&](int64_t c) {
          store(pool_window(load(a + c), load(a + c + channels), load(b + c), load(b + c + channels), which + c),
                out + c);
        },
        [&](int64_t c) { out[c] = pool_one(a[c], a[c + channels], b[c], b[c + channels], which + c); });
  }
}

void backward_row(const float* gradient, const uint8_t* winner, int64_t windows, int64_t channels, float* top,
                  float* bottom) {
  for (int64_t window = 0; window < windows; ++window) {
    const float* from = gradient + window * channels;
    const uint8_t* which = winner + window * channels;
    float* const to[4] = {top + 2 * window * channels, top + (2 * window + 1) * channels,
                          bottom + 2 * window * channels, bottom + (2 * window + 1) * channels};
    for_channels(
        channels,
        [&](int64_t c) {
          const Floats value = load(from + c);
          const Ints code = load_winners(which + c);
          for (int i = 0; i < 4; ++i)
            store(hn::IfThenElseZero(hn::RebindMask(FloatTag(), hn::Eq(code, hn::Set(IntTag(), i))), value), to[i] + c);
        },
        [&](int64_t c) {
          for (int i = 0; i < 4; ++i) to[i][c] = which[c] == i ? from[c] : 0.0F;
        });
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(forward_row);
HWY_EXPORT(backward_row);

void relu_max_pool_forward(const float* input, const PoolShape& shape, float* pooled, uint8_t* winner) {
  const int64_t row = shape.width * shape.channels;
  const int64_t pooled_row = shape.pooled_width() * shape.channels;
  for (int64_t image = 0; image < shape.images; ++image) {
    for (int64_t y = 0; y < shape.pooled_height(); ++y) {
      const float* top = input + (image * shape.height + 2 * y) * row;
      const int64_t at = (image * shape.pooled_height() + y) * pooled_row;
      HWY_DYNAMIC_DISPATCH(forward_row)
      (top, top + row, shape.pooled_width(), shape.channels, pooled + at, winner + at);
    }
  }
}

void relu_max_pool_backward(const float* pooled_gradient, const uint8_t* winner, const PoolShape& shape,
                            float* input_gradient) {
  const int64_t row = shape.width * shape.channels;
  const int64_t pooled_row = shape.pooled_width() * shape.channels;
  const int64_t covered = 2 * pooled_row;  // elements of an input row that windows cover
  for (int64_t image = 0; image < shape.images; ++image) {
    float* out = input_gradient + image * shape.height * row;
    for (int64_t y = 0; y < shape.pooled_height(); ++y) {
      float* top = out + 2 * y * row;
      const int64_t at = (image * shape.pooled_height() + y) * pooled_row;
      HWY_DYNAMIC_DISPATCH(backward_row)
      (pooled_gradient + at, winner + at, shape.pooled_width(), shape.channels, top, top + row);
      std::fill(top + covered, top + row, 0.0F);
      std::fill(top + row + covered, top + 2 * row, 0.0F);
    }
    std::fill(out + 2 * shape.pooled_height() * row, out + shape.height * row, 0.0F);
  }
}

}  // namespace fer_ddp
#endif
