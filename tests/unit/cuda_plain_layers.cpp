// The CUDA kernels of pools, features and of what stands between dense layers.
#include <gtest/gtest.h>

#include "cuda/kernels/plain_layers.cuh"
#include "unit/cuda_channel_cases.h"

namespace fer_ddp::cuda {

namespace {

size_t offset_in(const DeviceExtent& extent, int image, int y, int x, int c) {
  return static_cast<size_t>(((int64_t{image} * extent.height + y) * extent.width + x) * extent.channels + c);
}

// act(number of a pooled value, offsets of its window's four).
template <typename Act>
void for_windows(const DeviceExtent& in, const Act& act) {
  size_t pooled = 0;
  for (int image = 0; image < in.images; ++image)
    for (int y = 0; y + 1 < in.height; y += 2)
      for (int x = 0; x + 1 < in.width; x += 2)
        for (int c = 0; c < in.channels; ++c, ++pooled) {
          const size_t offsets[4] = {offset_in(in, image, y, x, c), offset_in(in, image, y, x + 1, c),
                                     offset_in(in, image, y + 1, x, c), offset_in(in, image, y + 1, x + 1, c)};
          act(pooled, offsets);
        }
}
int64_t pooled_size(const DeviceExtent& in) {
  return int64_t{in.images} * (in.height / 2) * (in.width / 2) * in.channels;
}

template <typename T>
Doubles random_values_of(int64_t size, unsigned seed) {
  Doubles numbers = random_numbers(size, seed);
  for (double& drawn : numbers) drawn = rounded<T>(drawn);
  return numbers;
}

template <typename T>
class CudaPlainLayers : public ::testing::Test {};
using ValueTypes = ::testing::Types<float, Bf16>;
TYPED_TEST_SUITE(CudaPlainLayers, ValueTypes);

TYPED_TEST(CudaPlainLayers, PoolsTakeTheLargestOrTheMean) {
  using T = TypeParam;
  for (const Case& one : cases())
    for (const bool average : {false, true}) {
      SCOPED_TRACE(name_of(one) + (average ? " average" : ""));
      KernelMemory memory;
      const LaunchContext context = context_for(memory, one);
      const Doubles numbers = random_values_of<T>(one.extent.size(), 1);
      const auto* const input = memory.input(as_values<T>(numbers));
      const int64_t size = pooled_size(one.extent);
      auto* const output = memory.output<T>(size);
      auto* const winners = average ? nullptr : memory.output<uint8_t>(size);
      memory.run([&] { launch_pool<T>(context, {one.extent, average}, input, output, winners); });
      Doubles expected(static_cast<size_t>(size));
      for_windows(one.extent, [&](size_t pooled, const size_t(&offsets)[4]) {
        int winner = 0;
        for (int i = 0; i < 4; ++i) {
          if (numbers[offsets[i]] > numbers[offsets[winner]]) winner = i;
          expected[pooled] += numbers[offsets[i]] / 4;
        }
        if (average) return;
        expected[pooled] = numbers[offsets[winner]];
        ASSERT_EQ(winners[pooled], winner);
      });
      expect_values(output, expected, "output");
    }
}

TYPED_TEST(CudaPlainLayers, PoolsPassTheirGradientBackAndAddItWhereAsked) {
  using T = TypeParam;
  for (const Case& one : cases())
    for (const bool average : {false, true})
      for (const bool add : {false, true}) {
        SCOPED_TRACE(name_of(one) + (average ? " average" : "") + (add ? " add" : ""));
        KernelMemory memory;
        const LaunchContext context = context_for(memory, one);
        const int64_t size = pooled_size(one.extent);
        const Doubles gradient = random_values_of<T>(size, 1);
        std::vector<uint8_t> winners(static_cast<size_t>(size));
        for (size_t i = 0; i < winners.size(); ++i) winners[i] = static_cast<uint8_t>(i * 7 / 3 % 4);
        Doubles expected(static_cast<size_t>(one.extent.size()));
        if (add) expected = random_values_of<T>(one.extent.size(), 2);
        auto* const output = add ? memory.output(as_values<T>(expected)) : memory.template output<T>(one.extent.size());
        const auto* const read = memory.input(as_values<T>(gradient));
        const auto* const places = memory.input(winners);
        memory.run([&] { launch_pool_gradient<T>(context, {one.extent, average}, read, places, output, add); });
        for_windows(one.extent, [&](size_t pooled, const size_t(&offsets)[4]) {
          if (average)
            for (const size_t at : offsets) expected[at] += gradient[pooled] / 4;
          else
            expected[offsets[winners[pooled]]] += gradient[pooled];
        });
        expect_values(output, expected, "gradient");
      }
}

TYPED_TEST(CudaPlainLayers, APoolKeepsNaN) {
  using T = TypeParam;
  KernelMemory memory;
  Doubles numbers(64, 1.0);
  for (size_t window = 0; window < 4; ++window) numbers[window * 16 + window] = std::nan("");
  const auto* const input = memory.input(as_values<T>(numbers));
  auto* const output = memory.output<T>(16);
  auto* const winners = memory.output<uint8_t>(16);
  memory.run([&] { launch_pool<T>({}, {{1, 2, 2, 16}, false}, input, output, winners); });
  for (size_t c = 0; c < 16; ++c) {
    EXPECT_EQ(std::isnan(number(output[c])), c < 4);
    EXPECT_EQ(winners[c], c < 4 ? c : 0);
  }
}

TYPED_TEST(CudaPlainLayers, FeaturesAreMeansOrAllInTheOrderOfChannels) {
  using T = TypeParam;
  std::vector<Case> all = cases();
  all.push_back({{2, 48, 48, 32}, 3});  // tiles of one vector
  for (const Case& one : all)
    for (const bool average : {false, true}) {
      SCOPED_TRACE(name_of(one) + (average ? " average" : ""));
      KernelMemory memory;
      const LaunchContext context = context_for(memory, one);
      const DeviceExtent& in = one.extent;
      const Features work{in, average};
      const int positions = in.height * in.width;
      const Doubles numbers = random_values_of<T>(in.size(), 1);
      const auto* const input = memory.input(as_values<T>(numbers));
      const int64_t size = average ? int64_t{in.images} * in.channels : in.size();
      auto* const rows = memory.output<T>(size);
      const Doubles of_rows = random_values_of<T>(size, 2);
      const auto* const row_gradient = memory.input(as_values<T>(of_rows));
      auto* const input_gradient = memory.output<T>(in.size());
      memory.run([&] {
        launch_features<T>(context, work, input, rows);
        launch_features_gradient<T>(context, work, row_gradient, input_gradient);
      });
      Doubles expected(static_cast<size_t>(size)), expected_gradient(numbers.size());
      for (int image = 0; image < in.images; ++image)
        for (int position = 0; position < positions; ++position)
          for (int c = 0; c < in.channels; ++c) {
            const size_t at = offset_in(in, image, position / in.width, position % in.width, c);
            const int64_t channel = int64_t{image} * in.channels + c;
            const auto to = static_cast<size_t>(average ? channel : channel * positions + position);
            expected[to] += average ? numbers[at] / positions : numbers[at];
            expected_gradient[at] = average ? of_rows[to] / positions : of_rows[to];
          }
      expect_values(rows, expected, "rows");
      expect_values(input_gradient, expected_gradient, "gradient");
    }
}

TYPED_TEST(CudaPlainLayers, ImagesTooLargeToFlattenAreRefused) {
  EXPECT_THROW(launch_features<TypeParam>({}, Features{{1, 64, 64, 16}, false}, nullptr, nullptr), Error);
}

struct Dropout {
  int images, units, parts, multiprocessors;
  bool bias, relu, kept;
};

TYPED_TEST(CudaPlainLayers, ActivationsBetweenDenseLayersAndTheirGradient) {
  using T = TypeParam;
  const std::vector<Dropout> all = {{5, 128, 1, 1, true, true, true},    {300, 16, 3, 3, true, true, false},
                                    {64, 80, 7, 132, false, true, true}, {9, 512, 2, 3, true, false, true},
                                    {1, 32, 1, 1, false, false, false},  {0, 64, 2, 3, true, true, true},
                                    {3, 4096, 1, 3, true, true, true}};
  for (const Dropout& one : all) {
    SCOPED_TRACE(std::to_string(one.images) + " x " + std::to_string(one.units));
    KernelMemory memory;
    const LaunchContext context = context_for(memory, {{one.images, 1, 1, one.units}, one.multiprocessors});
    const auto size = static_cast<size_t>(one.images) * static_cast<size_t>(one.units);
    constexpr int kFirst = 11, kOffset = 3;  // what dropout has kept lies on odd addresses
    const int stride = one.units + 9;
    const Doubles parts = random_values_of<float>(static_cast<int64_t>(size) * one.parts, 1);
    const Doubles bias = random_values_of<float>(one.units, 2);
    std::vector<uint8_t> kept(static_cast<size_t>((kFirst + one.images) * stride + kOffset));
    for (size_t i = 0; i < kept.size(); ++i) kept[i] = i % 7 < 4 ? 1 : 0;
    ActivateRows work;
    work.images = one.images;
    work.units = one.units;
    work.parts = memory.input(as_values<float>(parts));
    work.part_count = one.parts;
    if (one.bias) work.bias = memory.input(as_values<float>(bias));
    work.relu = one.relu;
    if (one.kept) work.kept = memory.input(kept);
    work.first_kept = memory.input(std::vector<int32_t>{kFirst});
    work.kept_stride = stride;
    work.kept_offset = kOffset;
    work.kept_scale = 1.25F;
    auto* const output = memory.output<T>(static_cast<int64_t>(size));
    work.output = output;
    const Doubles of_output = random_values_of<T>(static_cast<int64_t>(size), 3);
    auto* const gradient = memory.output(as_values<T>(of_output));
    auto* const bias_gradient = memory.output<float>(one.units);
    memory.run([&] {
      launch_activate_rows<T>(context, work);
      launch_activate_rows_gradient<T>(context, work, gradient, bias_gradient);
    });

    Doubles expected(size), expected_gradient(size), sums(static_cast<size_t>(one.units)), terms(sums.size());
    for (size_t i = 0; i < size; ++i) {
      const size_t unit = i % sums.size();
      double x = one.bias ? bias[unit] : 0;
      for (int part = 0; part < one.parts; ++part) x += parts[static_cast<size_t>(part) * size + i];
      const size_t row = kFirst + i / sums.size();
      const bool is_kept = !one.kept || kept[row * static_cast<size_t>(stride) + kOffset + unit] != 0;
      const double scale = one.kept ? 1.25 : 1;
      expected[i] = is_kept && (!one.relu || x > 0) ? x * scale : 0;
      // Where x is rounding alone, the output decides.
      const bool passes = one.relu ? number(output[i]) > 0 : is_kept;
      expected_gradient[i] = passes ? of_output[i] * scale : 0;
      sums[unit] += expected_gradient[i];
      terms[unit] += std::abs(expected_gradient[i]);
    }
    expect_values(output, expected, "output");
    expect_values(gradient, expected_gradient, "gradient");
    expect_sums(bias_gradient, sums, terms, "gradient of the bias");
    expect_counters_at_zero(context);
  }
}

}  // namespace

}  // namespace fer_ddp::cuda
