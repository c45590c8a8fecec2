// The size of one 3 x 3 convolution of stride 1, whose border of `padding` zeros (0 or 1) lies around the input, and
// how the layers around it meet its values. Activations are fp32 [image][height][width][channels], channels multiples
// of 16.
//
// A layer writes its outputs z as they are. What batch normalisation and ReLU make of them, max(0, z * scale + shift),
// is applied by whoever reads them: that saves writing and reading another activation, and backward asks for z anyway.
// Of a 2 x 2 max-pool, too, the z of a window's winner is kept (pooling.h), so that a reader sees no difference.
#pragma once

#include <cstdint>

namespace fer_ddp {

struct ConvolutionShape {
  int height = 0;  // of the input
  int width = 0;
  int input_channels = 0;
  int output_channels = 0;
  int padding = 1;

  [[nodiscard]] constexpr int output_height() const { return height + 2 * padding - 2; }
  [[nodiscard]] constexpr int output_width() const { return width + 2 * padding - 2; }
  [[nodiscard]] constexpr int64_t input_size() const { return int64_t{height} * width * input_channels; }
  [[nodiscard]] constexpr int64_t output_size() const {
    return int64_t{output_height()} * output_width() * output_channels;
  }
  [[nodiscard]] constexpr int64_t weights() const { return int64_t{9} * input_channels * output_channels; }
};

// Values as their reader sees them: max(0, values * scale + shift) by channel, or as they are where scale is null.
struct MappedValues {
  const float* values = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
};

// The gradient of a layer's outputs z, from that of what their readers saw. With batch normalisation and ReLU after the
// layer it is, by channel (Ioffe and Szegedy 2015; normalization_gradient.h has the formula),
//   dz = [z * scale + shift > 0] * gradient * from_gradient + z * from_value + constant,
// where a 2 x 2 max-pool lets `gradient` through at its window's winner alone. Where z.scale is null, dz is `gradient`.
struct MappedGradient {
  const float* gradient = nullptr;   // of the activation, [height][width][channels], or of the pooled one
  const uint8_t* winners = nullptr;  // null: not pooled; else as pooling.h writes them, as large as `gradient`
  MappedValues z{};
  const float* from_gradient = nullptr;
  const float* from_value = nullptr;
  const float* constant = nullptr;
};

// What a layer's backward pass leaves.
struct ConvolutionGradients {
  float* input = nullptr;  // of what the layer saw (MappedValues); written, or added to
  bool add_to_input = false;
  float* weights = nullptr;  // [leaves][9][input][output], written
  // Where the input is mapped: what the normalisation before asks for, [leaves][2 * input_channels], added to: the sums
  // of the input's gradient, where ReLU let it through, and of it times (value - mean). Null: not asked for.
  const float* mean = nullptr;
  double* sums = nullptr;
};

}  // namespace fer_ddp
