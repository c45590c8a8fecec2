// Winograd's convolutions against direct ones in fp64, over shapes and on each instruction set.
#include "kernels/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/instruction_sets.h"
#include "unit/convolution_reference.h"

namespace fer_ddp {

namespace {

constexpr double kTolerance = 2e-5;
constexpr std::array<int, 2> kOne{0, 1};  // a leaf of one image

class WinogradOf : public ::testing::TestWithParam<std::tuple<Case, std::string>> {
 protected:
  WinogradOf() { use_instruction_set(std::get<1>(GetParam())); }
  ~WinogradOf() override { use_instruction_set(""); }

  static Layer layer() {
    const Case& c = std::get<0>(GetParam());
    return {{c.height, c.width, c.inputs, c.outputs, c.padding}, c.images, c.mapped, c.pooled};
  }
  // Both tile sizes, the planned one's group and one that cuts images apart.
  static std::vector<WinogradPlan> plans(const ConvolutionShape& shape) {
    WinogradPlan planned = plan_winograd(shape);
    return {planned, {.shape = shape, .outputs = 4, .group = 7}, {.shape = shape, .outputs = 6, .group = 3}};
  }
};

struct Transformed {
  AlignedBuffer<float> forward, transposed;
  Transformed(const WinogradPlan& plan, const Values& weights)
      : forward(static_cast<size_t>(winograd_weights_size(plan))),
        transposed(static_cast<size_t>(winograd_weights_size(plan))) {
    winograd_transform_weights(plan, weights.data(), 0, plan.shape.input_channels, forward.data(), transposed.data());
  }
};

TEST_P(WinogradOf, ForwardEqualsTheDirectConvolutionInFp64) {
  const Layer layer = WinogradOf::layer();
  const ExpectedForward expected(layer);
  for (const WinogradPlan& plan : plans(layer.shape)) {
    const Transformed weights(plan, layer.weights);
    AlignedBuffer<float> scratch(static_cast<size_t>(winograd_forward_scratch_size(plan)));
    AlignedBuffer<float> output(expected.output.size());
    std::vector<double> sums(expected.sums.size());
    winograd_forward(plan, weights.forward.data(), layer.seen_input(), layer.leaf(), scratch.data(), output.data(),
                     layer.centre.data(), sums.data());
    EXPECT_LT(error_of(output.span(), expected.output), kTolerance) << plan.outputs;
    EXPECT_LT(error_of(sums, expected.sums), kTolerance) << plan.outputs;
  }
}

TEST_P(WinogradOf, BackwardEqualsTheDirectOneInFp64) {
  const Layer layer = WinogradOf::layer();
  const ExpectedBackward expected(layer);
  for (const WinogradPlan& plan : plans(layer.shape)) {
    const Transformed transformed(plan, layer.weights);
    AlignedBuffer<float> scratch(static_cast<size_t>(winograd_backward_scratch_size(plan)));
    Values input(layer.input.size());
    Values weights(layer.weights.size());
    std::vector<double> sums(expected.sums.size());
    const ConvolutionGradients gradients{.input = input.data(),
                                         .weights = weights.data(),
                                         .mean = layer.mean.data(),
                                         .sums = layer.mapped ? sums.data() : nullptr};
    winograd_backward(plan, transformed.transposed.data(), layer.seen_input(), layer.seen_gradient(), layer.leaf(),
                      scratch.data(), gradients);
    EXPECT_LT(error_of(input, expected.input), kTolerance) << plan.outputs;
    EXPECT_LT(error_of(weights, expected.weights), kTolerance) << plan.outputs;
    if (layer.mapped) {
      EXPECT_LT(error_of(sums, expected.sums), kTolerance) << plan.outputs;
    }

    ConvolutionGradients again = gradients;
    again.add_to_input = true;
    again.sums = nullptr;
    winograd_backward(plan, transformed.transposed.data(), layer.seen_input(), layer.seen_gradient(), layer.leaf(),
                      scratch.data(), again);
    Reference twice = expected.input;
    for (double& value : twice) value *= 2;
    EXPECT_LT(error_of(input, twice), kTolerance) << "added, " << plan.outputs;
  }
}

TEST_P(WinogradOf, AnImagesOutputsAndGradientsDoNotDependOnTheOthersOfItsCall) {
  const Layer layer = WinogradOf::layer();
  const WinogradPlan plan = plan_winograd(layer.shape);
  const Transformed transformed(plan, layer.weights);
  AlignedBuffer<float> scratch(static_cast<size_t>(winograd_backward_scratch_size(plan)));
  const auto outputs = static_cast<size_t>(layer.shape.output_size());
  const auto inputs = static_cast<size_t>(layer.shape.input_size());
  Values together(outputs * static_cast<size_t>(layer.images));
  Values input_together(inputs * static_cast<size_t>(layer.images));
  Values weights(layer.weights.size());
  winograd_forward(plan, transformed.forward.data(), layer.seen_input(), layer.leaf(), scratch.data(), together.data(),
                   nullptr, nullptr);
  ConvolutionGradients gradients{.input = input_together.data(), .weights = weights.data()};
  winograd_backward(plan, transformed.transposed.data(), layer.seen_input(), layer.seen_gradient(), layer.leaf(),
                    scratch.data(), gradients);
  const size_t last = static_cast<size_t>(layer.images) - 1;
  MappedValues input = layer.seen_input();
  input.values += last * inputs;
  MappedGradient gradient = layer.seen_gradient();
  const size_t size = layer.gradient.size() / static_cast<size_t>(layer.images);
  gradient.gradient += last * size;
  if (gradient.winners != nullptr) gradient.winners += last * size;
  if (layer.mapped) gradient.z.values += last * outputs;
  Values alone(outputs);
  Values input_alone(inputs);
  winograd_forward(plan, transformed.forward.data(), input, kOne, scratch.data(), alone.data(), nullptr, nullptr);
  gradients.input = input_alone.data();
  winograd_backward(plan, transformed.transposed.data(), input, gradient, kOne, scratch.data(), gradients);
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<int64_t>(last * outputs)));
  EXPECT_TRUE(
      std::equal(input_alone.begin(), input_alone.end(), input_together.begin() + static_cast<int64_t>(last * inputs)));
}

TEST_P(WinogradOf, ALeafsSumsDoNotDependOnTheOtherLeavesOfItsCall) {
  const Layer layer = WinogradOf::layer();
  const std::vector<int> leaves = {0, 1, 1, layer.images};  // the middle one is empty
  const auto weights_size = layer.weights.size();
  const auto outputs = static_cast<size_t>(int64_t{2} * layer.shape.output_channels);
  const auto inputs = static_cast<size_t>(int64_t{2} * layer.shape.input_channels);
  for (const WinogradPlan& plan : plans(layer.shape)) {
    const Transformed transformed(plan, layer.weights);
    AlignedBuffer<float> scratch(static_cast<size_t>(winograd_backward_scratch_size(plan)));
    Values output(static_cast<size_t>(layer.images * layer.shape.output_size()));
    Values input(layer.input.size());
    const auto run = [&](std::span<const int> of, std::vector<double>& sums, Values& weights,
                         std::vector<double>& input_sums) {
      winograd_forward(plan, transformed.forward.data(), layer.seen_input(), of, scratch.data(), output.data(),
                       layer.centre.data(), sums.data());
      winograd_backward(plan, transformed.transposed.data(), layer.seen_input(), layer.seen_gradient(), of,
                        scratch.data(),
                        {.input = input.data(),
                         .add_to_input = false,
                         .weights = weights.data(),
                         .mean = layer.mean.data(),
                         .sums = layer.mapped ? input_sums.data() : nullptr});
    };
    std::vector<double> sums(3 * outputs);
    std::vector<double> input_sums(3 * inputs);
    Values weights(3 * weights_size, 7.0F);
    run(leaves, sums, weights, input_sums);
    for (size_t leaf = 0; leaf < 3; ++leaf) {
      std::vector<double> own_sums(outputs);
      std::vector<double> own_input_sums(inputs);
      Values own_weights(weights_size, 7.0F);
      run(std::span(leaves).subspan(leaf, 2), own_sums, own_weights, own_input_sums);
      const auto at = [leaf](const auto& all, size_t size) { return all.begin() + static_cast<int64_t>(leaf * size); };
      EXPECT_TRUE(std::equal(own_sums.begin(), own_sums.end(), at(sums, outputs))) << leaf;
      EXPECT_TRUE(std::equal(own_weights.begin(), own_weights.end(), at(weights, weights_size))) << leaf;
      EXPECT_TRUE(std::equal(own_input_sums.begin(), own_input_sums.end(), at(input_sums, inputs))) << leaf;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, WinogradOf,
    ::testing::Combine(::testing::Values(Case{12, 12, 16, 16, 1, 3, true, false},   // whole tiles
                                         Case{24, 18, 16, 48, 1, 2, true, true},    // and windows
                                         Case{6, 6, 32, 64, 1, 5, true, true},      // a tile an image
                                         Case{13, 9, 48, 16, 1, 2, true, true},     // odd sides: windows left out
                                         Case{3, 3, 16, 80, 1, 4, true, false},     // less than a tile
                                         Case{10, 11, 32, 16, 0, 3, true, false},   // no padding
                                         Case{14, 14, 16, 48, 0, 2, false, false},  // values as they are
                                         Case{1, 2, 16, 16, 1, 2, false, false},
                                         Case{6, 6, 144, 160, 1, 3, true, false}),  // rows with gaps, deep products
                       ::testing::ValuesIn(instruction_sets())));

TEST(Winograd, NanGoesThroughTheMap) {
  const ConvolutionShape shape{6, 6, 16, 16, 1};
  Layer layer(shape, 1, true, false);
  layer.scale[3] = std::numeric_limits<float>::quiet_NaN();
  const WinogradPlan plan = plan_winograd(shape);
  const Transformed weights(plan, layer.weights);
  AlignedBuffer<float> scratch(static_cast<size_t>(winograd_forward_scratch_size(plan)));
  Values output(static_cast<size_t>(shape.output_size()));
  for (const std::string& name : instruction_sets()) {
    use_instruction_set(name);
    winograd_forward(plan, weights.forward.data(), layer.seen_input(), kOne, scratch.data(), output.data(), nullptr,
                     nullptr);
    EXPECT_TRUE(std::all_of(output.begin(), output.end(), [](float value) { return std::isnan(value); })) << name;
  }
  use_instruction_set("");
}

TEST(Winograd, ChannelsThatVectorsDoNotFitAreRefused) {
  EXPECT_THROW((void)plan_winograd({.height = 6, .width = 6, .input_channels = 8, .output_channels = 16}),
               std::invalid_argument);
}

TEST(Winograd, LargeTilesAreTakenWhereTheyFit) {
  EXPECT_EQ(plan_winograd({48, 48, 16, 16, 1}).outputs, 6);
  EXPECT_EQ(plan_winograd({6, 6, 128, 128, 1}).outputs, 6);
  EXPECT_EQ(plan_winograd({3, 3, 128, 128, 1}).outputs, 4);
}

}  // namespace

}  // namespace fer_ddp
