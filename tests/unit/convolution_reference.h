// Convolutions of random layers in fp64, for the tests of the kernels that do without.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <random>
#include <vector>

#include "kernels/convolution_shape.h"
#include "kernels/strided_convolution.h"

namespace fer_ddp {

using Values = std::vector<float>;
using Reference = std::vector<double>;

inline Values random_values(int64_t count, uint32_t seed, float spread = 1.0F, float middle = 0.0F) {
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
void for_each_strided_product(const StridedShape& shape, int images, const Visit& visit) {
  for (int image = 0; image < images; ++image)
    for (int y = 0; y < shape.output_height(); ++y)
      for (int x = 0; x < shape.output_width(); ++x)
        for (int tap = 0; tap < shape.taps(); ++tap) {
          const int row = y * shape.stride + tap / shape.kernel - shape.padding;
          const int column = x * shape.stride + tap % shape.kernel - shape.padding;
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

template <typename Visit>
void for_each_product(const ConvolutionShape& shape, int images, const Visit& visit) {
  for_each_strided_product(
      {shape.height, shape.width, shape.input_channels, shape.output_channels, 3, 1, shape.padding}, images, visit);
}

// One layer between two normalisations, on random values, and what fp64 says of it.
struct Layer {
  ConvolutionShape shape;
  int images;
  bool mapped, pooled;
  bool input_is_mapped = mapped;
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

  // All images as one leaf.
  [[nodiscard]] std::vector<int> leaf() const { return {0, images}; }
  [[nodiscard]] MappedValues seen_input() const {
    return input_is_mapped ? MappedValues{input.data(), scale.data(), shift.data()}
                           : MappedValues{.values = input.data()};
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

  // What the layer sees of its input.
  [[nodiscard]] Reference activation() const {
    Reference values(input.begin(), input.end());
    if (!input_is_mapped) return values;
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
  // Of z.
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

// What a kernel makes of its operands before it multiplies them.
using Rounding = double (*)(double);
inline double exactly(double value) { return value; }

inline Reference rounded_by(Rounding round, Reference values) {
  for (double& value : values) value = round(value);
  return values;
}

// What forward has to give: the outputs, and the sums of (output - centre) and of its squares.
struct ExpectedForward {
  Reference output, sums;
  explicit ExpectedForward(const Layer& layer, Rounding round = exactly)
      : output(static_cast<size_t>(layer.images * layer.shape.output_size())),
        sums(static_cast<size_t>(2 * layer.shape.output_channels)) {
    const Reference seen = rounded_by(round, layer.activation());
    for_each_product(layer.shape, layer.images,
                     [&](size_t i, size_t w, size_t o) { output[o] += seen[i] * round(double{layer.weights[w]}); });
    const size_t channels = sums.size() / 2;
    for (size_t i = 0; i < output.size(); ++i) {
      const double offset = output[i] - double{layer.centre[i % channels]};
      sums[i % channels] += offset;
      sums[channels + i % channels] += offset * offset;
    }
  }
};

// And backward: the gradients, and the sums of the input's live ones and of them times (value - mean).
struct ExpectedBackward {
  Reference input, weights, sums;
  explicit ExpectedBackward(const Layer& layer, Rounding round = exactly)
      : input(layer.input.size()), weights(layer.weights.size()), sums(2 * layer.scale.size()) {
    const Reference seen = rounded_by(round, layer.activation());
    const Reference dz = rounded_by(round, layer.output_gradient());
    for_each_product(layer.shape, layer.images, [&](size_t i, size_t w, size_t o) {
      input[i] += dz[o] * round(double{layer.weights[w]});
      weights[w] += dz[o] * seen[i];
    });
    const size_t channels = layer.scale.size();
    for (size_t i = 0; i < seen.size(); ++i) {
      const size_t c = i % channels;
      if (!Layer::is_live(layer.input[i], layer.scale[c], layer.shift[c])) continue;
      sums[c] += input[i];
      sums[channels + c] += input[i] * (double{layer.input[i]} - double{layer.mean[c]});
    }
  }
};

struct Case {
  int height, width, inputs, outputs, padding, images;
  bool mapped, pooled;
  friend std::ostream& operator<<(std::ostream& stream, const Case& c) {
    return stream << c.images << " x " << c.height << " x " << c.width << " x " << c.inputs << " to " << c.outputs
                  << " padding " << c.padding << (c.mapped ? " mapped" : "") << (c.pooled ? " pooled" : "");
  }
};

}  // namespace fer_ddp
