// The CUDA kernels that images go into, on the host against fp64: the first convolution, alone and with ReLU and pool
// in one pass, and the gradients of both.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cuda/kernels/images.cuh"
#include "cuda/kernels/normalize.cuh"
#include "cuda/kernels/pooled_images.cuh"
#include "cuda/kernels/weights.cuh"
#include "unit/cuda_kernel_memory.h"

namespace fer_ddp::cuda {

namespace {

std::vector<uint8_t> random_bytes(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator() % 256);
  return bytes;
}

struct Pixels {
  double mean = 0;
  double deviation = 0;  // with n - 1

  explicit Pixels(const uint8_t* bytes) {
    for (int i = 0; i < kPixels; ++i) mean += bytes[i] / 255.0 / kPixels;
    for (int i = 0; i < kPixels; ++i)
      deviation += (bytes[i] / 255.0 - mean) * (bytes[i] / 255.0 - mean) / (kPixels - 1);
    deviation = std::sqrt(deviation);
  }
};

DeviceExtent output_of(int images, int channels, int padding) {
  return {images, kSide - 2 + 2 * padding, kSide - 2 + 2 * padding, channels};
}

// Calls visit(output position, pixel, tap) for each pair that a tap joins.
template <typename Visit>
void for_each_tap(const DeviceExtent& output, int padding, const Visit& visit) {
  for (int n = 0; n < output.images; ++n)
    for (int y = 0; y < output.height; ++y)
      for (int x = 0; x < output.width; ++x)
        for (int tap = 0; tap < 9; ++tap) {
          const int from_y = y - padding + tap / 3;
          const int from_x = x - padding + tap % 3;
          if (from_y < 0 || from_y >= kSide || from_x < 0 || from_x >= kSide) continue;
          visit((n * output.height + y) * output.width + x, n * kPixels + from_y * kSide + from_x, tap);
        }
}

template <typename T>
class CudaImageConvolution : public ::testing::Test {};
using ValueTypes = ::testing::Types<float, Bf16>;
TYPED_TEST_SUITE(CudaImageConvolution, ValueTypes);

TYPED_TEST(CudaImageConvolution, IsThatOfFp64) {
  for (const int padding : {0, 1})
    for (const int channels : {16, 32, 48})
      for (const int images : {0, 2}) {
        const DeviceExtent extent = output_of(images, channels, padding);
        const Doubles pixels = random_numbers(images * kPixels, 1);
        const Doubles weights = random_numbers(channels * 9, 2);
        KernelMemory memory;
        const LaunchContext context{.multiprocessors = channels == 48 ? 132 : 2};
        ImageConvolution work{.source = {.pixels = memory.input(as_values<float>(pixels))},
                              .weights = memory.input(as_values<float>(weights)),
                              .padding = padding,
                              .output = extent};
        auto* values = memory.output<TypeParam>(extent.size());
        work.values = values;
        memory.run([&] { launch_image_convolution<TypeParam>(context, work); });
        Doubles expected(static_cast<size_t>(extent.size()));
        for_each_tap(extent, padding, [&](int to, int from, int tap) {
          for (int c = 0; c < channels; ++c)
            expected[static_cast<size_t>(to * channels + c)] +=
                pixels[static_cast<size_t>(from)] * weights[static_cast<size_t>(c * 9 + tap)];
        });
        expect_values(values, expected, "values");
      }
}

// A tap in the middle that is one shows the image as the network takes it in.
TEST(CudaImages, AreReadAsTheNetworkTakesThemIn) {
  constexpr int kRows = 5;
  std::vector<uint8_t> bytes = random_bytes(size_t{kRows} * kPixels, 1);
  std::fill_n(bytes.begin() + kPixels, kPixels, uint8_t{77});  // one that does not vary
  const std::vector<int32_t> order = {4, 1, 0, 3, 2};
  std::vector<float> middle(16 * 9);
  for (size_t c = 0; c < 16; ++c) middle[c * 9 + 4] = 1;
  for (const PixelScale scale : {PixelScale::kUnit, PixelScale::kStandardizeImage})
    for (const bool by_order : {false, true})
      for (const int images : {0, 1, 3}) {
        KernelMemory memory;
        auto* values = memory.output<float>(images * kPixels * 16);
        const ImageConvolution work{.source = {.split_images = memory.input(bytes),
                                               .order = by_order ? memory.input(order) : nullptr,
                                               .first = memory.input<int32_t>({1}),
                                               .scale = scale},
                                    .weights = memory.input(middle),
                                    .padding = 1,
                                    .output = {images, kSide, kSide, 16},
                                    .values = values};
        memory.run([&] { launch_image_convolution<float>({}, work); });
        for (int i = 0; i < images; ++i) {
          const auto row = static_cast<size_t>(by_order ? order[static_cast<size_t>(i) + 1] : i + 1);
          const uint8_t* own = bytes.data() + row * kPixels;
          const Pixels pixels(own);
          for (int p = 0; p < kPixels; ++p) {
            const double unit = own[p] / 255.0;
            const double expected =
                scale == PixelScale::kUnit ? unit : (unit - pixels.mean) / (pixels.deviation + kStandardizeOffset);
            ASSERT_NEAR(double{values[(i * kPixels + p) * 16]}, expected, 4e-6) << row << " " << p;
          }
        }
      }
}

// The same as the convolution, and Normalize behind it, in one pass; forward and backward.
TYPED_TEST(CudaImageConvolution, IsThatOfSeveralKernelsInOnePass) {
  for (const int padding : {0, 1})
    for (const int channels : {16, 32, 80})
      for (const int images : {0, 1, 3}) {
        SCOPED_TRACE(std::to_string(padding) + " " + std::to_string(channels) + " " + std::to_string(images));
        const DeviceExtent extent = output_of(images, channels, padding);
        const DeviceExtent pooled{images, extent.height / 2, extent.width / 2, channels};
        const auto floats = [](int64_t count, unsigned seed) { return as_values<float>(random_numbers(count, seed)); };
        KernelMemory memory;
        LaunchContext context{.multiprocessors = channels == 32 ? 132 : 2};
        std::vector<float> zeros(static_cast<size_t>(channel_sum_parts(extent, context.multiprocessors)));
        context.channel_parts = memory.output(zeros);
        const float* bias = memory.input(floats(channels, 3));
        const ImageConvolution convolution{.source = {.pixels = memory.input(floats(images * kPixels, 1))},
                                           .weights = memory.input(floats(channels * 9, 2)),
                                           .padding = padding,
                                           .output = extent};
        const ChannelMap centre{.kind = ChannelMap::Kind::kBatch, .running_mean = memory.input(floats(channels, 4))};
        auto* output = memory.output<TypeParam>(pooled.size());
        auto* winners = memory.output<uint8_t>(pooled.size());
        auto* sums = memory.output<float>(2 * channels);
        memory.run([&] {
          launch_pooled_image_convolution<TypeParam>(context, {.convolution = convolution,
                                                               .bias = bias,
                                                               .output = output,
                                                               .winners = winners,
                                                               .output_map = centre,
                                                               .output_sums = sums});
        });
        // Values in fp32, of which the largest is rounded: as in the one pass.
        std::vector<float> z(static_cast<size_t>(extent.size()));
        ImageConvolution plain = convolution;
        plain.values = z.data();
        std::vector<float> expected(static_cast<size_t>(pooled.size()));
        std::vector<uint8_t> expected_winners(expected.size());
        launch_image_convolution<float>(context, plain);
        launch_normalize<float>(context, {.input = extent,
                                          .values = z.data(),
                                          .map = {.kind = ChannelMap::Kind::kBias, .bias = bias},
                                          .relu = true,
                                          .pool = true,
                                          .output = expected.data(),
                                          .winners = expected_winners.data()});
        Doubles of_sums(static_cast<size_t>(2 * channels));
        Doubles terms(of_sums.size());
        for (size_t i = 0; i < expected.size(); ++i) {
          const auto c = i % static_cast<size_t>(channels);
          ASSERT_EQ(number(output[i]), rounded<TypeParam>(double{expected[i]})) << i;
          ASSERT_EQ(winners[i], expected_winners[i]) << i;
          const double distance = number(output[i]) - double{centre.running_mean[c]};
          of_sums[c] += distance;
          terms[c] += std::abs(distance) + 1e-2;
          of_sums[static_cast<size_t>(channels) + c] += distance * distance;
          terms[static_cast<size_t>(channels) + c] += distance * distance;
        }
        expect_sums(sums, of_sums, terms, "sum");
      }
}

TYPED_TEST(CudaImageConvolution, HasTheGradientOfSeveralKernelsInOnePass) {
  for (const bool has_normalization : {false, true})
    for (const int channels : {16, 80})
      for (const int images : {0, 3}) {
        SCOPED_TRACE(std::to_string(channels) + " " + std::to_string(images));
        const DeviceExtent extent = output_of(images, channels, 1);
        const DeviceExtent pooled{images, extent.height / 2, extent.width / 2, channels};
        const Doubles pixels = random_numbers(images * kPixels, 1);
        Doubles y = random_numbers(pooled.size(), 2);
        for (double& value : y) value = value < 0 ? 0 : rounded<TypeParam>(value);
        const std::vector<TypeParam> gradient = as_values<TypeParam>(random_numbers(pooled.size(), 3));
        std::vector<uint8_t> winners = random_bytes(static_cast<size_t>(pooled.size()), 4);
        for (uint8_t& winner : winners) winner %= 4;
        KernelMemory memory;
        const LaunchContext context{.multiprocessors = channels == 80 ? 132 : 2};
        const auto by_channel = [&](unsigned seed, double middle) {
          return memory.input(as_values<float>(random_numbers(channels, seed, 0.1, middle)));
        };
        const ChannelMap map{.kind = ChannelMap::Kind::kBatch,
                             .gamma = by_channel(5, 1),
                             .mean = const_cast<float*>(by_channel(6, 0.5)),
                             .inverse_deviation = const_cast<float*>(by_channel(7, 2))};
        const auto* values = memory.input(as_values<TypeParam>(y));
        const int part_count = pooled_image_gradient_parts<TypeParam>(context, extent);
        auto* parts = memory.output<float>(int64_t{part_count} * 10 * channels);
        auto* weight_gradient = memory.output<float>(9 * channels);
        auto* bias_gradient = memory.output<float>(channels);
        PooledImageConvolutionGradient work{.source = {.pixels = memory.input(as_values<float>(pixels))},
                                            .padding = 1,
                                            .output = extent,
                                            .pooled = values,
                                            .winners = memory.input(winners),
                                            .gradient = memory.input(gradient),
                                            .parts = parts};
        const float count = 1000;
        if (has_normalization)
          work.behind = {.values = values,
                         .map = map,
                         .sums = memory.input(as_values<float>(random_numbers(2 * channels, 8, 30))),
                         .count = count};
        const std::vector<WeightParts> all = {
            {parts, part_count, 10 * channels, 9, channels, weight_gradient},
            {parts + 9 * channels, part_count, 10 * channels, 1, channels, bias_gradient}};
        memory.run([&] {
          launch_pooled_image_convolution_gradient<TypeParam>(context, work);
          launch_sum_weight_parts(context, all);
        });
        Doubles of_weights(static_cast<size_t>(9 * channels)), of_bias(static_cast<size_t>(channels));
        Doubles weight_terms(of_weights.size()), bias_terms(of_bias.size());
        for (size_t i = 0; i < y.size(); ++i) {
          const auto c = i % static_cast<size_t>(channels);
          const auto position = static_cast<int>(i / static_cast<size_t>(channels));
          const int n = position / (pooled.height * pooled.width);
          const int top = 2 * (position / pooled.width % pooled.height) + winners[i] / 2;
          const int left = 2 * (position % pooled.width) + winners[i] % 2;
          double own = number(gradient[i]);
          if (has_normalization) {
            const double inverse = map.inverse_deviation[c];
            own = map.gamma[c] * inverse *
                  (own - work.behind.sums[c] / count -
                   (y[i] - map.mean[c]) * inverse * inverse * work.behind.sums[static_cast<size_t>(channels) + c] /
                       count);
          }
          if (y[i] <= 0) own = 0;
          of_bias[c] += own;
          bias_terms[c] += std::abs(own);
          for (int tap = 0; tap < 9; ++tap) {
            const int from_y = top - 1 + tap / 3;
            const int from_x = left - 1 + tap % 3;
            if (from_y < 0 || from_y >= kSide || from_x < 0 || from_x >= kSide) continue;
            const double term = own * pixels[static_cast<size_t>(n * kPixels + from_y * kSide + from_x)];
            of_weights[c * 9 + static_cast<size_t>(tap)] += term;
            weight_terms[c * 9 + static_cast<size_t>(tap)] += std::abs(term);
          }
        }
        expect_sums(weight_gradient, of_weights, weight_terms, "weight");
        expect_sums(bias_gradient, of_bias, bias_terms, "bias");
      }
}

TYPED_TEST(CudaImageConvolution, HasTheWeightGradientOfFp64) {
  for (const int padding : {0, 1})
    for (const int channels : {16, 48}) {
      const DeviceExtent extent = output_of(2, channels, padding);
      const Doubles pixels = random_numbers(2 * kPixels, 1);
      const std::vector<TypeParam> gradient = as_values<TypeParam>(random_numbers(extent.size(), 3));
      KernelMemory memory;
      const LaunchContext context{.multiprocessors = channels == 48 ? 132 : 1};
      const int part_count = image_gradient_parts(context, extent);
      auto* parts = memory.output<float>(int64_t{part_count} * 9 * channels);
      auto* summed = memory.output<float>(9 * channels);
      const ImageConvolutionGradient work{.source = {.pixels = memory.input(as_values<float>(pixels))},
                                          .padding = padding,
                                          .output = extent,
                                          .gradient = memory.input(gradient),
                                          .parts = parts};
      const std::vector<WeightParts> all = {{parts, part_count, 9 * channels, 9, channels, summed}};
      memory.run([&] {
        launch_image_convolution_gradient<TypeParam>(context, work);
        launch_sum_weight_parts(context, all);
      });
      Doubles expected(static_cast<size_t>(9 * channels));
      Doubles terms(expected.size());
      for_each_tap(extent, padding, [&](int to, int from, int tap) {
        for (int c = 0; c < channels; ++c) {
          const double term =
              pixels[static_cast<size_t>(from)] * number(gradient[static_cast<size_t>(to * channels + c)]);
          expected[static_cast<size_t>(c * 9 + tap)] += term;
          terms[static_cast<size_t>(c * 9 + tap)] += std::abs(term);
        }
      });
      expect_sums(summed, expected, terms, "weight");
    }
}

}  // namespace

}  // namespace fer_ddp::cuda
