// Winograd's convolutions against direct ones in fp64, over shapes and on each instruction set.
#include "kernels/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/instruction_sets.h"

namespace fer_ddp {

namespace {

using Values = std::vector<float>;
using Reference = std::vector<double>;

Values random_values(int64_t count, uint32_t seed, float spread = 1.0F, float middle = 0.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(middle, spread);
  Values values(static_cast<size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

// The largest difference, as a share of the reference's largest value.
template <typename Range>
double error_of(const Range& values, const Reference& reference) {
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    largest = std::max(largest, std::abs(reference[i]));
    difference = std::max(difference, std::abs(static_cast<double>(values[i]) - reference[i]));
  }
  return difference / std::max(largest, 1e-30);
}

// Calls visit(index into the inputs, into the weights, into the outputs) for each product of a direct convolution.
template <typename Visit>
void for_each_product(const ConvolutionShape& shape, int images, const Visit& visit) {
  for (int image = 0; image < images; ++image)
    for (int y = 0; y < shape.output_height(); ++y)
      for (int x = 0; x < shape.output_width(); ++x)
        for (int tap = 0; tap < 9; ++tap) {
          const int row = y + tap / 3 - shape.padding;
          const int column = x + tap % 3 - shape.padding;
          if (row < 0 || row >= shape.height || column < 0 || column >= shape.width) continue;
          const int64_t from = ((int64_t{image} * shape.height + row) * shape.width + column) * shape.input_channels;
          const int64_t to =
              ((int64_t{image} * shape.output_height() + y) * shape.output_width() + x) * shape.output_channels;
          for (int i = 0; i < shape.input_channels; ++i)
            for (int o = 0; o < shape.output_channels; ++o)
              visit(static_cast<size_t>(from + i),
                    static_cast<size_t>((int64_t{tap} * shape.input_channels + i) * shape.output_channels + o),
                    static_cast<size_t>(to + o));
        }
}

// One layer between two normalisations, on random values, and what fp64 says of it.
struct Layer {
  ConvolutionShape shape;
  int images;
  bool mapped, pooled;
  Values input, scale, shift, mean;  // before the layer
  Values weights, centre;            // of the layer
  Values z, z_scale, z_shift;        // after it; z is random, so that each pass is tested by itself
  Values gradient, from_gradient, from_value, constant;
  std::vector<uint8_t> winners;

  Layer(const ConvolutionShape& of, int count, bool with_maps, bool with_pool)
      : shape(of), images(count), mapped(with_maps), pooled(with_pool) {
    const int inputs = shape.input_channels;
    const int outputs = shape.output_channels;
    input = random_values(images * shape.input_size(), 1);
    scale = random_values(inputs, 2, 0.3F, 1.0F);
    shift = random_values(inputs, 3, 0.3F);
    mean = random_values(inputs, 4, 0.3F);
    weights = random_values(shape.weights(), 5, 1.0F / std::sqrt(9.0F * static_cast<float>(inputs)));
    centre = random_values(outputs, 6, 0.3F);
    z = random_values(images * shape.output_size(), 7);
    z_scale = random_values(outputs, 8, 0.3F, 1.0F);
    z_shift = random_values(outputs, 9, 0.3F);
    from_gradient = random_values(outputs, 10, 0.3F, 1.0F);
    from_value = random_values(outputs, 11, 0.1F);
    constant = random_values(outputs, 12, 0.1F);
    const int64_t positions = pooled ? int64_t{shape.output_height() / 2} * (shape.output_width() / 2)
                                     : int64_t{shape.output_height()} * shape.output_width();
    gradient = random_values(images * positions * outputs, 13);
    std::mt19937 generator(14);
    winners.resize(pooled ? gradient.size() : 0);
    for (uint8_t& winner : winners) winner = static_cast<uint8_t>(generator() % 4);
  }

  [[nodiscard]] MappedValues seen_input() const {
    return mapped ? MappedValues{input.data(), scale.data(), shift.data()} : MappedValues{.values = input.data()};
  }
  [[nodiscard]] MappedGradient seen_gradient() const {
    MappedGradient seen;
    seen.gradient = gradient.data();
    if (!mapped) return seen;
    return {.gradient = gradient.data(),
            .winners = pooled ? winners.data() : nullptr,
            .z = {z.data(), z_scale.data(), z_shift.data()},
            .from_gradient = from_gradient.data(),
            .from_value = from_value.data(),
            .constant = constant.data()};
  }
  // fp32 decides whether ReLU lets a value through, as the kernels do.
  [[nodiscard]] static bool is_live(float value, float scale, float shift) { return std::fma(value, scale, shift) > 0; }

  [[nodiscard]] Reference activation() const {
    Reference values(input.begin(), input.end());
    if (!mapped) return values;
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t c = i % static_cast<size_t>(shape.input_channels);
      values[i] = is_live(input[i], scale[c], shift[c]) ? values[i] * double{scale[c]} + double{shift[c]} : 0.0;
    }
    return values;
  }
  [[nodiscard]] double gradient_at(int64_t image, int y, int x, int64_t c) const {
    const int64_t outputs = shape.output_channels;
    if (!pooled)
      return double{gradient[static_cast<size_t>(
          ((image * shape.output_height() + y) * shape.output_width() + x) * outputs + c)]};
    const int64_t height = shape.output_height() / 2;
    const int64_t width = shape.output_width() / 2;
    if (y / 2 >= height || x / 2 >= width) return 0;
    const auto at = static_cast<size_t>(((image * height + y / 2) * width + x / 2) * outputs + c);
    return winners[at] == y % 2 * 2 + x % 2 ? double{gradient[at]} : 0.0;
  }
  [[nodiscard]] Reference output_gradient() const {
    Reference dz(static_cast<size_t>(images * shape.output_size()));
    for (size_t i = 0; i < dz.size(); ++i) {
      const auto outputs = static_cast<size_t>(shape.output_channels);
      const size_t c = i % outputs;
      const auto position = static_cast<int64_t>(i / outputs);
      const int64_t of_image = int64_t{shape.output_height()} * shape.output_width();
      const double dy =
          gradient_at(position / of_image, static_cast<int>(position % of_image) / shape.output_width(),
                      static_cast<int>(position % of_image) % shape.output_width(), static_cast<int64_t>(c));
      dz[i] = !mapped ? dy
                      : (is_live(z[i], z_scale[c], z_shift[c]) ? dy : 0.0) * double{from_gradient[c]} +
                            double{z[i]} * double{from_value[c]} + double{constant[c]};
    }
    return dz;
  }
};

constexpr double kTolerance = 2e-5;

struct Case {
  int height, width, inputs, outputs, padding, images;
  bool mapped, pooled;
  friend std::ostream& operator<<(std::ostream& stream, const Case& c) {
    return stream << c.images << " x " << c.height << " x " << c.width << " x " << c.inputs << " to " << c.outputs
                  << " padding " << c.padding << (c.mapped ? " mapped" : "") << (c.pooled ? " pooled" : "");
  }
};

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
  const Reference seen = layer.activation();
  Reference expected(static_cast<size_t>(layer.images * layer.shape.output_size()));
  for_each_product(layer.shape, layer.images,
                   [&](size_t i, size_t w, size_t o) { expected[o] += seen[i] * double{layer.weights[w]}; });
  const auto channels = static_cast<size_t>(layer.shape.output_channels);
  Reference expected_sums(2 * channels);
  for (size_t i = 0; i < expected.size(); ++i) {
    const double offset = expected[i] - double{layer.centre[i % channels]};
    expected_sums[i % channels] += offset;
    expected_sums[channels + i % channels] += offset * offset;
  }
  for (const WinogradPlan& plan : plans(layer.shape)) {
    const Transformed weights(plan, layer.weights);
    AlignedBuffer<float> scratch(static_cast<size_t>(winograd_forward_scratch_size(plan)));
    AlignedBuffer<float> output(expected.size());
    std::vector<double> sums(2 * channels);
    winograd_forward(plan, weights.forward.data(), layer.seen_input(), layer.images, scratch.data(), output.data(),
                     layer.centre.data(), sums.data());
    EXPECT_LT(error_of(output.span(), expected), kTolerance) << plan.outputs;
    EXPECT_LT(error_of(sums, expected_sums), kTolerance) << plan.outputs;
  }
}

TEST_P(WinogradOf, BackwardEqualsTheDirectOneInFp64) {
  const Layer layer = WinogradOf::layer();
  const Reference seen = layer.activation();
  const Reference dz = layer.output_gradient();
  Reference expected_input(seen.size());
  Reference expected_weights(layer.weights.size());
  for_each_product(layer.shape, layer.images, [&](size_t i, size_t w, size_t o) {
    expected_input[i] += dz[o] * double{layer.weights[w]};
    expected_weights[w] += dz[o] * seen[i];
  });
  const auto channels = static_cast<size_t>(layer.shape.input_channels);
  Reference expected_sums(2 * channels);
  for (size_t i = 0; i < seen.size(); ++i) {
    const size_t c = i % channels;
    if (!Layer::is_live(layer.input[i], layer.scale[c], layer.shift[c])) continue;
    expected_sums[c] += expected_input[i];
    expected_sums[channels + c] += expected_input[i] * (double{layer.input[i]} - double{layer.mean[c]});
  }
  for (const WinogradPlan& plan : plans(layer.shape)) {
    const Transformed transformed(plan, layer.weights);
    AlignedBuffer<float> scratch(static_cast<size_t>(winograd_backward_scratch_size(plan)));
    Values input(seen.size());
    Values weights(layer.weights.size());
    std::vector<double> sums(2 * channels);
    const WinogradGradients gradients{.transposed_weights = transformed.transposed.data(),
                                      .input = input.data(),
                                      .weights = weights.data(),
                                      .mean = layer.mean.data(),
                                      .sums = layer.mapped ? sums.data() : nullptr};
    winograd_backward(plan, layer.seen_input(), layer.seen_gradient(), layer.images, scratch.data(), gradients);
    EXPECT_LT(error_of(input, expected_input), kTolerance) << plan.outputs;
    EXPECT_LT(error_of(weights, expected_weights), kTolerance) << plan.outputs;
    if (layer.mapped) {
      EXPECT_LT(error_of(sums, expected_sums), kTolerance) << plan.outputs;
    }

    WinogradGradients again = gradients;
    again.add_to_input = true;
    again.sums = nullptr;
    winograd_backward(plan, layer.seen_input(), layer.seen_gradient(), layer.images, scratch.data(), again);
    Reference twice = expected_input;
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
  winograd_forward(plan, transformed.forward.data(), layer.seen_input(), layer.images, scratch.data(), together.data(),
                   nullptr, nullptr);
  WinogradGradients gradients{
      .transposed_weights = transformed.transposed.data(), .input = input_together.data(), .weights = weights.data()};
  winograd_backward(plan, layer.seen_input(), layer.seen_gradient(), layer.images, scratch.data(), gradients);
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
  winograd_forward(plan, transformed.forward.data(), input, 1, scratch.data(), alone.data(), nullptr, nullptr);
  gradients.input = input_alone.data();
  winograd_backward(plan, input, gradient, 1, scratch.data(), gradients);
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<int64_t>(last * outputs)));
  EXPECT_TRUE(
      std::equal(input_alone.begin(), input_alone.end(), input_together.begin() + static_cast<int64_t>(last * inputs)));
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
