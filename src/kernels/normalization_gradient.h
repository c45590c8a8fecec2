// Batch normalisation and ReLU backwards over a block's pooled values, as one affine map by channel. With
// y = gamma (x - mean) / deviation + beta over M values a channel (Ioffe and Szegedy 2015):
//   dx = gamma / deviation * (dy - mean(dy) - (x - mean) / deviation^2 * mean(dy (x - mean)))
//      = dy * scale + x * slope + constant,
// and nothing where ReLU left nothing. Thread-safe, no allocation.
#pragma once

#include <cstdint>

namespace fer_ddp {

// The three terms of the formula above, one number for each channel.
struct NormalizationGradient {
  const float* scale = nullptr;
  const float* slope = nullptr;
  const float* constant = nullptr;
};

// gradient[i]: dy in, dx out. All [values][channels]; channels are a multiple of 16.
void normalization_gradient(const NormalizationGradient& normalization, const float* pooled, const uint8_t* winners,
                            int64_t values, int channels, float* gradient);

}  // namespace fer_ddp
