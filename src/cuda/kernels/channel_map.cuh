// ChannelMap on the device: from sums, running statistics and parameters to a factor and a summand of each channel, for
// the pass forward and for the gradient. A block calculates them once for its channels, into shared memory.
#pragma once

#include "device_words.h"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

// z * scale + shift.
struct Affine {
  float scale = 1;
  float shift = 0;
};

// Of z, before the map.
struct Statistics {
  float mean = 0;
  float variance = 0;
  float inverse_deviation = 1;
};

// dz = dy * from_gradient + z * from_value + constant.
struct GradientTerms {
  float from_gradient = 1;
  float from_value = 0;
  float constant = 0;
};

__device__ inline float number_or(const float* numbers, int channel, float otherwise) {
  return numbers == nullptr ? otherwise : numbers[channel];
}

__host__ __device__ inline bool normalizes(const ChannelMap& map) {
  return map.kind == ChannelMap::Kind::kBatch || map.kind == ChannelMap::Kind::kRunning;
}

// What sums of z are taken about: near its mean, so that the variance loses no digits.
__device__ inline float centre_of(const ChannelMap& map, int channel) {
  return number_or(map.running_mean, channel, 0.0F) - number_or(map.bias, channel, 0.0F);
}

// How far the batch's mean lies from the centre.
__device__ inline float batch_offset(const ChannelMap& map, int channel) {
  return map.sums[channel] / (map.count > 1 ? map.count : 1.0F);
}

// From the sums, or the running ones. channels: of the whole map.
__device__ inline Statistics statistics_of(const ChannelMap& map, int channels, int channel) {
  Statistics statistics{};
  statistics.mean = centre_of(map, channel);
  if (map.kind == ChannelMap::Kind::kBatch) {
    const float offset = batch_offset(map, channel);
    const float spread = map.sums[channels + channel] / (map.count > 1 ? map.count : 1.0F) - offset * offset;
    statistics.mean += offset;
    statistics.variance = spread < 0 ? 0.0F : spread;  // NaN stays
  } else {
    statistics.variance = map.running_variance[channel];
  }
  statistics.inverse_deviation = rsqrtf(statistics.variance + map.epsilon);
  return statistics;
}

// The same for a gradient, which finds the batch's where the pass forward has left them.
__device__ inline Statistics kept_statistics(const ChannelMap& map, int channel) {
  if (map.kind != ChannelMap::Kind::kBatch) return statistics_of(map, 0, channel);
  Statistics statistics{};
  statistics.mean = map.mean[channel];
  statistics.inverse_deviation = map.inverse_deviation[channel];
  return statistics;
}

__device__ inline Affine affine_of(const ChannelMap& map, int channel, const Statistics& statistics) {
  const float scale = number_or(map.gamma, channel, 1.0F) * statistics.inverse_deviation;
  return {scale, __fmaf_rn(-statistics.mean, scale, number_or(map.beta, channel, 0.0F))};
}
__device__ inline Affine affine_without_statistics(const ChannelMap& map, int channel) {
  return {1.0F, map.kind == ChannelMap::Kind::kBias ? number_or(map.bias, channel, 0.0F) : 0.0F};
}

// What the gradient and the next step need of a batch's statistics. The running mean is of z + bias, and the centre is
// the running mean - bias: so it moves by a share of the offset. Without any value it stays.
__device__ inline void keep_statistics(const ChannelMap& map, int channel, const Statistics& statistics) {
  if (map.mean != nullptr) map.mean[channel] = statistics.mean;
  if (map.inverse_deviation != nullptr) map.inverse_deviation[channel] = statistics.inverse_deviation;
  const float share = map.count > 0 ? map.momentum : 0.0F;
  const float correction = map.unbiased && map.count > 1 ? map.count / (map.count - 1) : 1.0F;
  if (map.next_mean != nullptr)
    map.next_mean[channel] = __fmaf_rn(share, batch_offset(map, channel), map.running_mean[channel]);
  if (map.next_variance != nullptr) {
    const float running = map.running_variance[channel];
    map.next_variance[channel] = __fmaf_rn(share, correction * statistics.variance - running, running);
  }
}

// The pass forward. keep: of the block that writes the statistics of this channel.
__device__ inline Affine forward_affine(const ChannelMap& map, int channels, int channel, bool keep) {
  if (!normalizes(map)) return affine_without_statistics(map, channel);
  const Statistics statistics = statistics_of(map, channels, channel);
  if (keep && map.kind == ChannelMap::Kind::kBatch) keep_statistics(map, channel, statistics);
  return affine_of(map, channel, statistics);
}

// The same numbers, to the bit, for the gradient.
__device__ inline Affine backward_affine(const ChannelMap& map, int channel) {
  return normalizes(map) ? affine_of(map, channel, kept_statistics(map, channel))
                         : affine_without_statistics(map, channel);
}

// Ioffe and Szegedy 2015: dz = gamma / deviation * (dy - mean(dy) - (z - mean) / deviation^2 * mean(dy (z - mean))).
// sums: of dy and dy (z - mean) over `count` values; null: the statistics are no matter of this batch.
__device__ inline GradientTerms gradient_terms(const ChannelMap& map, const float* sums, float count, int channels,
                                               int channel) {
  if (!normalizes(map)) return {};
  const Statistics statistics = kept_statistics(map, channel);
  const float inverse = statistics.inverse_deviation;
  GradientTerms terms{};
  terms.from_gradient = number_or(map.gamma, channel, 1.0F) * inverse;
  if (sums == nullptr) return terms;
  const float share = terms.from_gradient / (count > 1 ? count : 1.0F);
  terms.from_value = -share * inverse * inverse * sums[channels + channel];
  terms.constant = -share * sums[channel] - terms.from_value * statistics.mean;
  return terms;
}

}  // namespace fer_ddp::cuda
