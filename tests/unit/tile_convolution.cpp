// Convolutions by matrix tiles against direct ones in fp64 whose operands are rounded alike, over shapes, on each
// instruction set, by the tiles that the processor has and by the plain form.
#include "kernels/tile_convolution.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/instruction_sets.h"
#include "unit/convolution_reference.h"
#include "unit/tile_ways.h"

namespace fer_ddp {

namespace {

constexpr double kTolerance = 1e-5;
constexpr std::array<int, 2> kOne{0, 1};  // a leaf of one image

class TileConvolutionOf : public ::testing::TestWithParam<std::tuple<Case, TileWay>> {
 protected:
  TileConvolutionOf() { std::get<1>(GetParam()).take(); }
  ~TileConvolutionOf() override { TileWay::leave(); }
  static Layer layer() {
    const Case& c = std::get<0>(GetParam());
    return {{c.height, c.width, c.inputs, c.outputs, c.padding}, c.images, c.mapped, c.pooled};
  }
};

// A layer's kernel with all that it works on.
struct Kernel {
  const Layer& layer;
  TilePlan plan;
  AlignedBuffer<Bf16> forward_weights, transposed_weights;
  AlignedBuffer<float> scratch;

  Kernel(const Layer& of, int pictures)
      : layer(of),
        plan{.shape = of.shape, .pictures = pictures},
        forward_weights(static_cast<size_t>(tile_weights_size(plan))),
        transposed_weights(forward_weights.size()),
        scratch(static_cast<size_t>(tile_backward_scratch_size(plan))) {
    std::memset(scratch.data(), 0xff, scratch.size() * sizeof(float));  // NaN, as fp32 and as bf16
    tile_pack_weights(plan, layer.weights.data(), 0, layer.shape.input_channels, forward_weights.data(),
                      transposed_weights.data());
  }
  void forward(std::span<const int> leaves, std::span<float> output, double* sums) {
    tile_forward(plan, forward_weights.data(), layer.seen_input(), leaves, scratch.data(), output.data(),
                 layer.centre.data(), sums);
  }
  void backward(std::span<const int> leaves, const ConvolutionGradients& gradients) {
    tile_backward(plan, transposed_weights.data(), layer.seen_input(), layer.seen_gradient(), leaves, scratch.data(),
                  gradients);
  }
};

TEST_P(TileConvolutionOf, EqualsTheDirectOneInFp64) {
  const Layer layer = TileConvolutionOf::layer();
  const ExpectedForward forward(layer, as_bf16);
  const ExpectedBackward backward(layer, as_bf16);
  for (const int pictures : {plan_tiles(layer.shape).pictures, 2}) {
    Kernel kernel(layer, pictures);
    // At a multiple of 64 large outputs go past the cache; 16 bytes further they cannot.
    AlignedBuffer<float> memory(forward.output.size() + 4);
    const std::span<float> output = memory.span().first(forward.output.size());
    const std::span<float> elsewhere = memory.span().subspan(4);
    std::vector<double> sums(forward.sums.size());
    kernel.forward(layer.leaf(), output, sums.data());
    EXPECT_LT(error_of(output, forward.output), kTolerance);
    EXPECT_LT(error_of(sums, forward.sums), kTolerance);
    kernel.forward(layer.leaf(), output, nullptr);
    EXPECT_LT(error_of(output, forward.output), kTolerance) << "without sums";
    kernel.forward(layer.leaf(), elsewhere, nullptr);
    EXPECT_LT(error_of(elsewhere, forward.output), kTolerance) << "elsewhere";

    Values input(layer.input.size());
    Values weights(layer.weights.size(), 7.0F);
    std::vector<double> input_sums(backward.sums.size());
    ConvolutionGradients gradients{.input = input.data(),
                                   .weights = weights.data(),
                                   .mean = layer.mean.data(),
                                   .sums = layer.mapped ? input_sums.data() : nullptr};
    kernel.backward(layer.leaf(), gradients);
    EXPECT_LT(error_of(input, backward.input), kTolerance);
    EXPECT_LT(error_of(weights, backward.weights), kTolerance);
    if (layer.mapped) {
      EXPECT_LT(error_of(input_sums, backward.sums), kTolerance);
    }
    gradients.add_to_input = true;
    gradients.sums = nullptr;
    kernel.backward(layer.leaf(), gradients);
    Reference twice = backward.input;
    for (double& value : twice) value *= 2;
    EXPECT_LT(error_of(input, twice), kTolerance) << "added";
  }
}

TEST_P(TileConvolutionOf, ALeafsResultsDoNotDependOnTheOtherLeavesOfItsCall) {
  const Layer layer = TileConvolutionOf::layer();
  const std::vector<int> leaves = {0, 1, 1, layer.images};  // the middle one is empty
  const size_t weights_size = layer.weights.size();
  const size_t outputs = 2 * layer.centre.size();
  const size_t inputs = 2 * layer.scale.size();
  Kernel kernel(layer, 2);
  struct Results {
    Values output, input, weights;
    std::vector<double> sums, input_sums;
  };
  const auto run = [&](std::span<const int> of) {
    const size_t count = of.size() - 1;
    Results results{Values(static_cast<size_t>(layer.images * layer.shape.output_size())), Values(layer.input.size()),
                    Values(count * weights_size, 7.0F), std::vector<double>(count * outputs),
                    std::vector<double>(count * inputs)};
    kernel.forward(of, results.output, results.sums.data());
    kernel.backward(of, {.input = results.input.data(),
                         .weights = results.weights.data(),
                         .mean = layer.mean.data(),
                         .sums = layer.mapped ? results.input_sums.data() : nullptr});
    return results;
  };
  const Results all = run(leaves);
  for (size_t leaf = 0; leaf < 3; ++leaf) {
    const Results own = run(std::span(leaves).subspan(leaf, 2));
    const auto is_part = [&](const auto& part, const auto& whole, size_t from) {
      return std::equal(part.begin(), part.end(), whole.begin() + static_cast<int64_t>(from));
    };
    EXPECT_TRUE(is_part(own.sums, all.sums, leaf * outputs)) << leaf;
    EXPECT_TRUE(is_part(own.weights, all.weights, leaf * weights_size)) << leaf;
    EXPECT_TRUE(is_part(own.input_sums, all.input_sums, leaf * inputs)) << leaf;
    const auto same_images = [&](const Values& part, const Values& whole, int64_t size) {
      return std::equal(part.begin() + leaves[leaf] * size, part.begin() + leaves[leaf + 1] * size,
                        whole.begin() + leaves[leaf] * size);
    };
    EXPECT_TRUE(same_images(own.output, all.output, layer.shape.output_size())) << leaf;
    EXPECT_TRUE(same_images(own.input, all.input, layer.shape.input_size())) << leaf;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, TileConvolutionOf,
    ::testing::Combine(::testing::Values(Case{12, 12, 16, 16, 1, 3, true, false},   // half tiles
                                         Case{24, 18, 16, 48, 1, 2, true, true},    // and windows, past the cache
                                         Case{6, 6, 32, 64, 1, 5, true, true},      // whole blocks
                                         Case{13, 9, 48, 16, 1, 2, true, true},     // odd sides: windows left out
                                         Case{3, 3, 16, 80, 1, 4, true, false},     // several pictures a block
                                         Case{10, 11, 32, 16, 0, 3, true, false},   // no padding
                                         Case{14, 14, 16, 48, 0, 2, false, false},  // values as they are
                                         Case{1, 2, 16, 16, 1, 2, false, false},
                                         Case{6, 6, 144, 160, 1, 3, true, false}),
                       ::testing::ValuesIn(tile_ways())));

TEST(TileConvolution, NanGoesThroughTheMapAndTheRounding) {
  use_plain_tiles(true);
  const auto are_nan = [](const Values& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isnan(value); });
  };
  for (const std::string& name : instruction_sets()) {
    use_instruction_set(name);
    for (const uint32_t bits : {0x7fc00000U, 0x7fffffffU, 0xffffffffU, 0x7f800001U})
      for (const bool mapped : {false, true}) {
        SCOPED_TRACE(fmt::format("{}, {:x}, {}", name, bits, mapped));
        Layer layer({6, 6, 16, 16, 1}, 1, mapped, false);
        std::fill(layer.input.begin(), layer.input.end(), std::bit_cast<float>(bits));
        std::fill(layer.gradient.begin(), layer.gradient.end(), std::bit_cast<float>(bits));
        std::fill(layer.z.begin(), layer.z.end(), 1.0F);
        std::fill(layer.z_scale.begin(), layer.z_scale.end(), 1.0F);
        std::fill(layer.z_shift.begin(), layer.z_shift.end(), 0.0F);
        Kernel kernel(layer, 1);
        Values output(static_cast<size_t>(layer.shape.output_size()));
        kernel.forward(kOne, output, nullptr);
        Values input(layer.input.size());
        Values weights(layer.weights.size());
        kernel.backward(kOne, {.input = input.data(), .weights = weights.data()});
        EXPECT_TRUE(are_nan(output) && are_nan(input) && are_nan(weights));
      }
  }
  use_instruction_set("");
  use_plain_tiles(false);
}

TEST(TileConvolution, ChannelsThatVectorsDoNotFitAreRefused) {
  EXPECT_THROW((void)plan_tiles({.height = 6, .width = 6, .input_channels = 8, .output_channels = 16}),
               std::invalid_argument);
}

}  // namespace

}  // namespace fer_ddp
