// The CUDA kernels by channel, forward: sums, and maps with ReLU, pool and the sums of what they write.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "cuda/kernels/channel_sums.cuh"
#include "cuda/kernels/normalize.cuh"
#include "unit/cuda_channel_cases.h"

namespace fer_ddp::cuda {

namespace {

struct SumsReference {
  Doubles sums, terms;

  SumsReference(const Doubles& values, const ChannelMap& map, int channels)
      : sums(static_cast<size_t>(2 * channels)), terms(sums.size()) {
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t c = i % static_cast<size_t>(channels);
      const double distance = values[i] - reference_centre(map, static_cast<int>(c));
      sums[c] += distance;
      terms[c] += std::abs(distance) + 1e-2;  // the centre is one of fp32
      sums[static_cast<size_t>(channels) + c] += distance * distance;
      terms[static_cast<size_t>(channels) + c] += distance * distance;
    }
  }
};

// What normalize() is to write, before it is rounded to values, and where each of a window's is from.
struct NormalizeReference {
  Doubles output;
  Doubles candidates;  // [output][4]; where pooled

  explicit NormalizeReference(const Normalize& work, const Doubles& z) {
    const DeviceExtent& in = work.input;
    const auto mapped = [&](int image, int y, int x, int c) {
      const auto at = static_cast<size_t>(((int64_t{image} * in.height + y) * in.width + x) * in.channels + c);
      const MapReference map = map_reference(work.map, in.channels, c);
      const double value = z[at] * map.scale + map.shift;
      return work.relu && value < 0 ? 0.0 : value;
    };
    const int stride = work.pool ? 2 : 1;
    for (int image = 0; image < in.images; ++image)
      for (int y = 0; y + stride <= in.height; y += stride)
        for (int x = 0; x + stride <= in.width; x += stride)
          for (int c = 0; c < in.channels; ++c) {
            double largest = mapped(image, y, x, c);
            for (int i = 0; i < 4 && work.pool; ++i) {
              candidates.push_back(mapped(image, y + i / 2, x + i % 2, c));
              largest = std::max(largest, candidates.back());
            }
            output.push_back(largest);
          }
  }
};

template <typename T>
class CudaChannels : public ::testing::Test {};
using ValueTypes = ::testing::Types<float, Bf16>;
TYPED_TEST_SUITE(CudaChannels, ValueTypes);

TYPED_TEST(CudaChannels, SumsAreThoseAboutTheCentre) {
  using T = TypeParam;
  for (const Case& one : cases()) {
    SCOPED_TRACE(name_of(one));
    KernelMemory memory;
    const int channels = one.extent.channels;
    const LaunchContext context = context_for(memory, one);
    ChannelSums work;
    work.extent = one.extent;
    work.map = random_map(memory, Kind::kBatch, channels, 1, channels != 48);
    const auto values = as_values<T>(random_numbers(one.extent.size(), 2));
    work.values = memory.input(values);
    work.sums = memory.output<float>(2 * channels);
    memory.run([&] { launch_channel_sums<T>(context, work); });

    Doubles numbers(values.size());
    std::transform(values.begin(), values.end(), numbers.begin(), number<T>);
    const SumsReference reference(numbers, work.map, channels);
    expect_sums(work.sums, reference.sums, reference.terms, "sum");
    expect_counters_at_zero(context);
  }
}

// 226 blocks on the GPU, of which the last adds up what all have found.
TYPED_TEST(CudaChannels, SumsOfMoreBlocksThanAMultiprocessorHolds) {
  using T = TypeParam;
  const Case one{{47, 43, 43, 16}, 132};
  KernelMemory memory;
  const LaunchContext context = context_for(memory, one);
  ChannelSums work;
  work.extent = one.extent;
  const auto values = as_values<T>(random_numbers(one.extent.size(), 3, 1, 2));
  work.values = memory.input(values);
  work.sums = memory.output<float>(32);
  memory.run([&] { launch_channel_sums<T>(context, work); });
  Doubles numbers(values.size());
  std::transform(values.begin(), values.end(), numbers.begin(), number<T>);
  const SumsReference reference(numbers, work.map, 16);
  expect_sums(work.sums, reference.sums, reference.terms, "sum");
  expect_counters_at_zero(context);
}

template <typename T>
void check_normalize(const Case& one, Kind kind, bool relu, bool pool, bool with_sums) {
  SCOPED_TRACE(name_of(one) + " kind " + std::to_string(static_cast<int>(kind)) + (relu ? " relu" : "") +
               (pool ? " pool" : "") + (with_sums ? " sums" : ""));
  KernelMemory memory;
  const int channels = one.extent.channels;
  const LaunchContext context = context_for(memory, one);
  Normalize work;
  work.input = one.extent;
  work.map = random_map(memory, kind, channels, 4, !with_sums || kind == Kind::kBias);
  const auto z = as_values<T>(random_numbers(one.extent.size(), 5));
  Doubles numbers(z.size());
  std::transform(z.begin(), z.end(), numbers.begin(), number<T>);
  work.values = memory.input(z);
  work.relu = relu;
  work.pool = pool;
  const NormalizeReference reference(work, numbers);
  const auto size = static_cast<int64_t>(reference.output.size());
  auto* const output = memory.output<T>(size);
  work.output = output;
  if (pool) work.winners = memory.output<uint8_t>(size);
  const bool writes_statistics = kind == Kind::kBatch;
  if (writes_statistics) {
    work.map.mean = memory.output<float>(channels);
    work.map.inverse_deviation = memory.output<float>(channels);
    work.map.next_mean = memory.output<float>(channels);
    work.map.next_variance = memory.output<float>(channels);
  }
  if (with_sums) {
    work.output_map = random_map(memory, Kind::kBatch, channels, 6, true);
    work.output_sums = memory.output<float>(2 * channels);
  }
  memory.run([&] { launch_normalize<T>(context, work); });

  expect_values(output, reference.output, "output");
  for (int64_t i = 0; i < size && pool; ++i) {
    ASSERT_LT(work.winners[i], 4);
    ASSERT_NEAR(reference.candidates[static_cast<size_t>(4 * i) + work.winners[i]],
                reference.output[static_cast<size_t>(i)], 1e-5)
        << "winner " << i;
  }
  for (int c = 0; c < channels && writes_statistics; ++c) {
    const MapReference map = map_reference(work.map, channels, c);
    ASSERT_NEAR(double{work.map.mean[c]}, map.mean, 1e-6);
    ASSERT_NEAR(double{work.map.inverse_deviation[c]}, map.inverse_deviation, 1e-6);
    const double variance = map.variance * (work.map.unbiased ? 1000.0 / 999.0 : 1.0);
    const double mean = map.mean + or_else(work.map.bias, c, 0);
    ASSERT_NEAR(double{work.map.next_mean[c]}, 0.9 * double{work.map.running_mean[c]} + 0.1 * mean, 1e-6);
    ASSERT_NEAR(double{work.map.next_variance[c]}, 0.9 * double{work.map.running_variance[c]} + 0.1 * variance, 1e-6);
  }
  if (!with_sums) return;
  Doubles written(static_cast<size_t>(size));
  std::transform(output, output + size, written.begin(), number<T>);
  const SumsReference sums(written, work.output_map, channels);
  expect_sums(work.output_sums, sums.sums, sums.terms, "sum");
  expect_counters_at_zero(context);
}

TYPED_TEST(CudaChannels, MapsWithReluAndPoolAsDefined) {
  int turn = 0;
  for (const Case& one : cases())
    for (const Kind kind : {Kind::kIdentity, Kind::kBias, Kind::kBatch, Kind::kRunning})
      for (const bool pool : {false, true}) {
        const bool relu = turn % 3 != 0;
        check_normalize<TypeParam>(one, kind, relu, pool, turn % 2 == 0 || kind == Kind::kIdentity);
        ++turn;
      }
}

TYPED_TEST(CudaChannels, NaNPassesReluAndPoolAndTheFirstOfEqualsWins) {
  using T = TypeParam;
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  // Channels: all below zero, NaN first, NaN last, equals, the last is the largest.
  const double windows[5][4] = {{-4, -3, -2, -1}, {kNaN, 1, 2, 3}, {1, 2, 3, kNaN}, {0, 5, 5, 1}, {1, 2, 3, 4}};
  const double expected[5] = {0, kNaN, kNaN, 5, 4};
  const int winners[5] = {0, 0, 3, 1, 3};
  KernelMemory memory;
  Normalize work;
  work.input = {1, 2, 2, 16};
  Doubles z(64);
  for (size_t i = 0; i < 64; ++i) z[i] = windows[std::min<size_t>(i % 16, 4)][i / 16];
  work.values = memory.input(as_values<T>(z));
  work.relu = work.pool = true;
  auto* const output = memory.output<T>(16);
  work.output = output;
  work.winners = memory.output<uint8_t>(16);
  memory.run([&] { launch_normalize<T>({}, work); });
  for (size_t c = 0; c < 5; ++c) {
    if (std::isnan(expected[c]))
      EXPECT_TRUE(std::isnan(number(output[c]))) << c;
    else
      EXPECT_EQ(number(output[c]), expected[c]) << c;
    EXPECT_EQ(work.winners[c], winners[c]) << c;
  }
}

// A rank without images of a batch keeps the same running statistics as the others.
TYPED_TEST(CudaChannels, ABatchWithoutAnyValueLeavesTheRunningStatistics) {
  using T = TypeParam;
  KernelMemory memory;
  Normalize work;
  work.input = {0, 4, 4, 32};
  work.map = random_map(memory, Kind::kBatch, 32, 7, true);
  work.map.count = 0;
  work.map.sums = memory.input(std::vector<float>(64));
  work.map.next_mean = memory.output<float>(32);
  work.map.next_variance = memory.output<float>(32);
  memory.run([&] { launch_normalize<T>({}, work); });
  for (int c = 0; c < 32; ++c) {
    EXPECT_EQ(work.map.next_mean[c], work.map.running_mean[c]);
    EXPECT_EQ(work.map.next_variance[c], work.map.running_variance[c]);
  }
}

}  // namespace

}  // namespace fer_ddp::cuda
