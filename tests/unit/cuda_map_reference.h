// ChannelMap in fp64, and random ones.
#pragma once

#include "unit/cuda_kernel_memory.h"

namespace fer_ddp::cuda {

inline double or_else(const float* numbers, int channel, double otherwise) {
  return numbers == nullptr ? otherwise : double{numbers[channel]};
}

struct MapReference {
  double scale = 1, shift = 0, mean = 0, variance = 0, inverse_deviation = 1;
};

inline double reference_centre(const ChannelMap& map, int c) {
  return or_else(map.running_mean, c, 0) - or_else(map.bias, c, 0);
}

// Batch statistics from the sums, or with `kept` from where the pass forward leaves them.
inline MapReference map_reference(const ChannelMap& map, int channels, int c, bool kept = false) {
  MapReference reference;
  if (map.kind == ChannelMap::Kind::kIdentity) return reference;
  if (map.kind == ChannelMap::Kind::kBias) {
    reference.shift = or_else(map.bias, c, 0);
    return reference;
  }
  reference.mean = reference_centre(map, c);
  if (map.kind == ChannelMap::Kind::kRunning) {
    reference.variance = double{map.running_variance[c]};
  } else if (!kept) {
    const double count = std::max(1.0, double{map.count});
    const double offset = double{map.sums[c]} / count;
    reference.mean += offset;
    reference.variance = std::max(0.0, double{map.sums[channels + c]} / count - offset * offset);
  }
  reference.inverse_deviation = 1 / std::sqrt(reference.variance + double{map.epsilon});
  if (map.kind == ChannelMap::Kind::kBatch && kept) {
    reference.mean = double{map.mean[c]};
    reference.inverse_deviation = double{map.inverse_deviation[c]};
  }
  reference.scale = or_else(map.gamma, c, 1) * reference.inverse_deviation;
  reference.shift = or_else(map.beta, c, 0) - reference.mean * reference.scale;
  return reference;
}

// A map of random numbers about values of mean 0 and deviation 1. `trained`: with gamma, beta and bias.
inline ChannelMap random_map(KernelMemory& memory, ChannelMap::Kind kind, int channels, unsigned seed, bool trained) {
  const auto numbers = [&](unsigned of, double spread, double middle) {
    return memory.input(as_values<float>(random_numbers(channels, 10 * seed + of, spread, middle)));
  };
  ChannelMap map;
  map.kind = kind;
  map.epsilon = 1e-3F;
  map.momentum = 0.1F;
  map.unbiased = trained;
  if (trained) {
    map.bias = numbers(0, 0.3, 0);
    map.gamma = numbers(1, 0.2, 1);
    map.beta = numbers(2, 0.3, 0);
  }
  map.running_mean = numbers(3, 0.2, 0);
  map.running_variance = numbers(4, 0.05, 1);
  map.count = 1000;
  Doubles sums = random_numbers(2 * channels, 10 * seed + 5, 100);
  for (int c = channels; c < 2 * channels; ++c)
    sums[static_cast<size_t>(c)] = 1000 + std::abs(sums[static_cast<size_t>(c)]);
  map.sums = memory.input(as_values<float>(sums));
  return map;
}

// Where a gradient reads a batch's statistics.
inline void keep_statistics_for_gradient(KernelMemory& memory, ChannelMap& map, int channels, unsigned seed) {
  map.sums = nullptr;
  map.mean = memory.input(as_values<float>(random_numbers(channels, 10 * seed + 6, 0.2)));
  map.inverse_deviation = memory.input(as_values<float>(random_numbers(channels, 10 * seed + 7, 0.05, 1)));
}

// Values of [rows][channels] that no map given puts so near to zero that rounding decides what ReLU does.
template <typename T>
Doubles values_off_zero(int64_t size, int channels, unsigned seed, const std::function<MapReference(int)>& map) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0, 1);
  Doubles numbers(static_cast<size_t>(size));
  for (size_t i = 0; i < numbers.size(); ++i) {
    const MapReference reference = map(static_cast<int>(i % static_cast<size_t>(channels)));
    do numbers[i] = rounded<T>(normal(generator));
    while (std::abs(numbers[i] * reference.scale + reference.shift) < 1e-3);
  }
  return numbers;
}

}  // namespace fer_ddp::cuda
