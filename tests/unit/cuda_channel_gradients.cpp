// The CUDA kernels by channel, backward, and residual sums.
#include <gtest/gtest.h>

#include "cuda/kernels/normalize_gradient.cuh"
#include "cuda/kernels/residual.cuh"
#include "unit/cuda_channel_cases.h"

namespace fer_ddp::cuda {

namespace {

template <typename T>
Doubles as_numbers(const std::vector<T>& values) {
  Doubles numbers(values.size());
  std::transform(values.begin(), values.end(), numbers.begin(), number<T>);
  return numbers;
}

struct Kinds {
  Kind kind;
  bool relu, pool, behind;
};

// A layer's values, what it makes of them, and the gradient of that, with its reference in fp64.
template <typename T>
struct Layer {
  Layer(KernelMemory& memory, const Case& one, const Kinds& kinds) : extent(one.extent) {
    const int channels = extent.channels;
    work.input = extent;
    work.relu = kinds.relu;
    work.pool = kinds.pool;
    work.map = random_map(memory, kinds.kind, channels, 1, extent.height % 2 == 0);
    keep_statistics_for_gradient(memory, work.map, channels, 1);
    z = values_off_zero<T>(extent.size(), channels, 2, [&](int c) { return map(c); });
    work.values = memory.input(as_values<T>(z));
    read_forward();
    const Doubles of_reader = as_numbers(as_values<T>(random_numbers(static_cast<int64_t>(y.size()), 3)));
    work.gradient = memory.input(as_values<T>(of_reader));
    if (kinds.pool) work.winners = memory.input(winners);
    if (kinds.behind) put_normalization_behind(memory);
    go_back(of_reader);
  }

  [[nodiscard]] MapReference map(int c) const { return map_reference(work.map, extent.channels, c, true); }
  [[nodiscard]] size_t size() const { return z.size(); }
  [[nodiscard]] size_t channel_of(size_t i) const { return i % static_cast<size_t>(extent.channels); }

  DeviceExtent extent;
  ValueGradient work;
  Doubles z, gradient;  // the latter: g' of each z

 private:
  [[nodiscard]] double seen(size_t at) const {
    const MapReference channel = map(static_cast<int>(channel_of(at)));
    const double value = z[at] * channel.scale + channel.shift;
    return work.relu ? std::max(0.0, value) : value;
  }

  void read_forward() {
    const int stride = work.pool ? 2 : 1;
    for (int image = 0; image < extent.images; ++image)
      for (int row = 0; row + stride <= extent.height; row += stride)
        for (int column = 0; column + stride <= extent.width; column += stride)
          for (int c = 0; c < extent.channels; ++c) take_largest(image, row, column, c);
  }
  void take_largest(int image, int row, int column, int c) {
    size_t best = 0;
    int winner = 0;
    for (int i = 0; i < (work.pool ? 4 : 1); ++i) {
      const auto at = static_cast<size_t>(
          ((int64_t{image} * extent.height + row + i / 2) * extent.width + column + i % 2) * extent.channels + c);
      if (i != 0 && seen(at) <= seen(best)) continue;
      best = at;
      winner = i;
    }
    decides.push_back(best);
    winners.push_back(static_cast<uint8_t>(winner));
    y.push_back(rounded<T>(seen(best)));
  }

  void put_normalization_behind(KernelMemory& memory) {
    NormalizedGradient& behind = work.behind;
    behind.values = memory.input(as_values<T>(y));
    behind.map = random_map(memory, Kind::kBatch, extent.channels, 4, true);
    keep_statistics_for_gradient(memory, behind.map, extent.channels, 4);
    behind.sums = memory.input(as_values<float>(random_numbers(2 * extent.channels, 5, 30)));
    behind.count = 100;
  }

  void go_back(const Doubles& of_reader) {
    gradient.assign(size(), 0);
    for (size_t i = 0; i < y.size(); ++i) {
      const auto c = static_cast<int>(channel_of(i));
      double of_y = of_reader[i];
      if (const NormalizedGradient& behind = work.behind; behind.values != nullptr) {
        const MapReference norm = map_reference(behind.map, extent.channels, c, true);
        const double inverse = norm.inverse_deviation;
        of_y = norm.scale * (of_y - double{behind.sums[c]} / 100 -
                             (y[i] - norm.mean) * inverse * inverse * double{behind.sums[extent.channels + c]} / 100);
      }
      if (!work.relu || seen(decides[i]) > 0) gradient[decides[i]] = of_y;
    }
  }

  Doubles y;
  std::vector<uint8_t> winners;
  std::vector<size_t> decides;
};

template <typename T>
class CudaChannelGradients : public ::testing::Test {
 protected:
  // check(case, kinds) for all that there are.
  template <typename Check>
  void for_all(const Check& check) {
    for (const Case& one : cases())
      for (const Kind kind : {Kind::kIdentity, Kind::kBias, Kind::kBatch, Kind::kRunning})
        for (const int bits : {0, 1, 2, 3, 4, 5, 6, 7}) {
          const Kinds kinds{kind, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
          SCOPED_TRACE(name_of(one) + " kind " + std::to_string(static_cast<int>(kind)) + (kinds.relu ? " relu" : "") +
                       (kinds.pool ? " pool" : "") + (kinds.behind ? " behind" : ""));
          check(one, kinds);
          if (::testing::Test::HasFailure()) return;
        }
  }
};
using ValueTypes = ::testing::Types<float, Bf16>;
TYPED_TEST_SUITE(CudaChannelGradients, ValueTypes);

TYPED_TEST(CudaChannelGradients, SumsAreThoseOfTheGradientsThatDecide) {
  this->for_all([](const Case& one, const Kinds& kinds) {
    KernelMemory memory;
    const LaunchContext context = context_for(memory, one);
    const Layer<TypeParam> layer(memory, one, kinds);
    const int channels = one.extent.channels;
    const bool has_second = normalizes(layer.work.map);
    GradientSums work;
    work.of = layer.work;
    work.sums = memory.output<float>(has_second ? 2 * channels : channels);
    work.beta_gradient = memory.output<float>(channels);
    if (has_second) work.gamma_gradient = memory.output<float>(channels);
    memory.run([&] { launch_gradient_sums<TypeParam>(context, work); });

    Doubles sums(static_cast<size_t>((has_second ? 2 : 1) * channels)), terms(sums.size());
    for (size_t i = 0; i < layer.size(); ++i) {
      const size_t c = layer.channel_of(i);
      const double distance = layer.z[i] - layer.map(static_cast<int>(c)).mean;
      sums[c] += layer.gradient[i];
      terms[c] += std::abs(layer.gradient[i]);
      if (!has_second) continue;
      sums[static_cast<size_t>(channels) + c] += layer.gradient[i] * distance;
      terms[static_cast<size_t>(channels) + c] += std::abs(layer.gradient[i] * distance);
    }
    expect_sums(work.sums, sums, terms, "sum");
    for (int c = 0; c < channels; ++c) {
      ASSERT_EQ(work.beta_gradient[c], work.sums[c]);
      if (!has_second) continue;
      ASSERT_NEAR(double{work.gamma_gradient[c]}, double{work.sums[channels + c]} * layer.map(c).inverse_deviation,
                  1e-6 * (1 + std::abs(double{work.gamma_gradient[c]})));
    }
    expect_counters_at_zero(context);
  });
}

TYPED_TEST(CudaChannelGradients, EveryPositionGetsItsGradient) {
  this->for_all([](const Case& one, const Kinds& kinds) {
    KernelMemory memory;
    const LaunchContext context = context_for(memory, one);
    const Layer<TypeParam> layer(memory, one, kinds);
    const int channels = one.extent.channels;
    GradientOfValues work;
    work.of = layer.work;
    auto* const output = memory.output<TypeParam>(one.extent.size());
    work.output = output;
    const bool asks_bias = !normalizes(layer.work.map) && one.extent.channels != 48;
    if (asks_bias) work.bias_gradient = memory.output<float>(channels);
    if (kinds.kind == Kind::kBatch) {
      work.sums = memory.input(as_values<float>(random_numbers(2 * channels, 6, 30)));
      work.count = 200;
    }
    memory.run([&] { launch_gradient_of_values<TypeParam>(context, work); });

    Doubles expected(layer.size());
    Doubles bias(static_cast<size_t>(asks_bias ? channels : 0)), terms(bias.size());
    for (size_t i = 0; i < layer.size(); ++i) {
      const size_t c = layer.channel_of(i);
      const MapReference map = layer.map(static_cast<int>(c));
      expected[i] = layer.gradient[i] * (normalizes(layer.work.map) ? map.scale : 1);
      if (work.sums != nullptr)
        expected[i] -= map.scale * (double{work.sums[c]} / 200 +
                                    (layer.z[i] - map.mean) * map.inverse_deviation * map.inverse_deviation *
                                        double{work.sums[static_cast<size_t>(channels) + c]} / 200);
      if (!asks_bias) continue;
      bias[c] += layer.gradient[i];
      terms[c] += std::abs(layer.gradient[i]);
    }
    expect_values(output, expected, "gradient");
    if (asks_bias) expect_sums(work.bias_gradient, bias, terms, "gradient of the bias");
    expect_counters_at_zero(context);
  });
}

TYPED_TEST(CudaChannelGradients, ABiasBeforeANormalizationIsRefused) {
  GradientOfValues work;
  work.of.map.kind = Kind::kBatch;
  float gradient = 0;
  work.bias_gradient = &gradient;
  EXPECT_THROW(launch_gradient_of_values<TypeParam>({}, work), Error);
}

TYPED_TEST(CudaChannelGradients, AResidualIsTheReluOfBothBranches) {
  using T = TypeParam;
  int turn = 0;
  for (const Case& one : cases())
    for (const Kind other : {Kind::kIdentity, Kind::kBias, Kind::kBatch, Kind::kRunning}) {
      SCOPED_TRACE(name_of(one) + " kind " + std::to_string(static_cast<int>(other)));
      KernelMemory memory;
      const LaunchContext context = context_for(memory, one);
      const int channels = one.extent.channels;
      const Doubles a = as_numbers(as_values<T>(random_numbers(one.extent.size(), 1)));
      const Doubles b = as_numbers(as_values<T>(random_numbers(one.extent.size(), 2)));
      ResidualSum work;
      work.extent = one.extent;
      work.a = memory.input(as_values<T>(a));
      work.b = memory.input(as_values<T>(b));
      work.map_a = random_map(memory, ++turn % 2 == 0 ? Kind::kBatch : Kind::kRunning, channels, 3, true);
      work.map_b = random_map(memory, other, channels, 4, turn % 3 == 0);
      if (other == Kind::kBatch) work.map_b.next_mean = memory.output<float>(channels);
      auto* const output = memory.output<T>(one.extent.size());
      work.output = output;
      memory.run([&] { launch_residual_sum<T>(context, work); });
      Doubles expected(a.size());
      for (size_t i = 0; i < a.size(); ++i) {
        const auto c = static_cast<int>(i % static_cast<size_t>(channels));
        const MapReference map_a = map_reference(work.map_a, channels, c);
        const MapReference map_b = map_reference(work.map_b, channels, c);
        expected[i] = std::max(0.0, a[i] * map_a.scale + map_a.shift + b[i] * map_b.scale + map_b.shift);
      }
      expect_values(output, expected, "sum", 2);
      for (int c = 0; c < channels && other == Kind::kBatch; ++c)
        ASSERT_NEAR(double{work.map_b.next_mean[c]},
                    0.9 * double{work.map_b.running_mean[c]} +
                        0.1 * (map_reference(work.map_b, channels, c).mean + or_else(work.map_b.bias, c, 0)),
                    1e-6);
    }
}

TYPED_TEST(CudaChannelGradients, AResidualsGradientStopsWhereItsOutputIsNotAboveZero) {
  using T = TypeParam;
  for (const Case& one : cases()) {
    SCOPED_TRACE(name_of(one));
    KernelMemory memory;
    const LaunchContext context = context_for(memory, one);
    Doubles output = random_numbers(one.extent.size(), 1);
    for (size_t i = 0; i < output.size(); i += 3) output[i] = 0;
    const Doubles before = as_numbers(as_values<T>(random_numbers(one.extent.size(), 2)));
    auto* const gradient = memory.output(as_values<T>(before));
    const auto* const read = memory.input(as_values<T>(output));
    memory.run([&] { launch_residual_gradient<T>(context, one.extent, read, gradient); });
    for (size_t i = 0; i < output.size(); ++i) ASSERT_EQ(number(gradient[i]), output[i] > 0 ? before[i] : 0.0);
  }
}

}  // namespace

}  // namespace fer_ddp::cuda
