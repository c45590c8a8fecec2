#include "kernels/relu_max_pool.h"

#include <algorithm>

#include "core/multiversion.h"

namespace fer_ddp {

namespace {

// One row of windows: `top` and `bottom` are the two input rows.
FER_DDP_MULTIVERSION void forward_row(const float* __restrict top, const float* __restrict bottom, int64_t windows,
                                      int64_t channels, float* __restrict pooled, uint8_t* __restrict winner) {
  for (int64_t window = 0; window < windows; ++window) {
    const float* a = top + 2 * window * channels;
    const float* b = bottom + 2 * window * channels;
    float* out = pooled + window * channels;
    uint8_t* which = winner + window * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float upper = std::max(a[c], a[c + channels]);
      const float lower = std::max(b[c], b[c + channels]);
      const int32_t upper_index = a[c + channels] > a[c] ? 1 : 0;
      const int32_t lower_index = b[c + channels] > b[c] ? 3 : 2;
      const float largest = std::max(upper, lower);
      const int32_t index = lower > upper ? lower_index : upper_index;
      which[c] = static_cast<uint8_t>(largest > 0 ? index : 4);
      // Written so that NaN goes through: a diverged run must show it.
      out[c] = largest <= 0 ? 0.0F : largest;
    }
  }
}

FER_DDP_MULTIVERSION void backward_row(const float* __restrict gradient, const uint8_t* __restrict winner,
                                       int64_t windows, int64_t channels, float* __restrict top,
                                       float* __restrict bottom) {
  for (int64_t window = 0; window < windows; ++window) {
    const float* from = gradient + window * channels;
    const uint8_t* which = winner + window * channels;
    float* a = top + 2 * window * channels;
    float* b = bottom + 2 * window * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const int32_t index = which[c];
      a[c] = index == 0 ? from[c] : 0.0F;
      a[c + channels] = index == 1 ? from[c] : 0.0F;
      b[c] = index == 2 ? from[c] : 0.0F;
      b[c + channels] = index == 3 ? from[c] : 0.0F;
    }
  }
}

}  // namespace

void relu_max_pool_forward(const float* input, const PoolShape& shape, float* pooled, uint8_t* winner) {
  const int64_t row = shape.width * shape.channels;
  const int64_t pooled_row = shape.pooled_width() * shape.channels;
  for (int64_t image = 0; image < shape.images; ++image) {
    for (int64_t y = 0; y < shape.pooled_height(); ++y) {
      const float* top = input + (image * shape.height + 2 * y) * row;
      const int64_t at = (image * shape.pooled_height() + y) * pooled_row;
      forward_row(top, top + row, shape.pooled_width(), shape.channels, pooled + at, winner + at);
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
      backward_row(pooled_gradient + at, winner + at, shape.pooled_width(), shape.channels, top, top + row);
      std::fill(top + covered, top + row, 0.0F);
      std::fill(top + row + covered, top + 2 * row, 0.0F);
    }
    std::fill(out + 2 * shape.pooled_height() * row, out + shape.height * row, 0.0F);
  }
}

}  // namespace fer_ddp
