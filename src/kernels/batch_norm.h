// The loops of batch normalisation over NHWC activations (rows x channels, fp32): sums by channel, and per-channel
// affine maps. Statistics themselves are put together by the caller, which may add up the sums of all ranks first. Sums
// are taken in fp32 within blocks of 64 rows and in fp64 across blocks, in one fixed order. Formulas: Ioffe and Szegedy
// 2015, as used by keras.layers.BatchNormalization. Thread-safe; no allocation. Callers split rows over threads.
#pragma once

#include <cstdint>

namespace fer_ddp {

// Adds to sums[0 .. channels) the sums of x, and to sums[channels .. 2 * channels) the sums of (x - centre)^2. `centre`
// (one value a channel, any value near the mean) keeps the second from cancelling.
void add_channel_sums(const float* x, const float* centre, int64_t rows, int64_t channels, double* sums);

// y = x * scale + shift, by channel.
void scale_and_shift(const float* x, int64_t rows, int64_t channels, const float* scale, const float* shift, float* y);

// Adds to sums[0 .. channels) the sums of dy, and to sums[channels .. 2 * channels) the sums of dy * (x - mean).
void add_gradient_sums(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels,
                       double* sums);

// dx = dy * from_dy + x * from_x + constant, by channel.
void combine_gradients(const float* dy, const float* x, int64_t rows, int64_t channels, const float* from_dy,
                       const float* from_x, const float* constant, float* dx);

}  // namespace fer_ddp
