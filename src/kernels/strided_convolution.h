// Convolutions that Winograd's filtering does not take, directly: 1 x 1 of stride 1, and 3 x 3 or 1 x 1 of stride 2, as
// matrix products, a tap of the kernel at a time: of some 128 positions of the output at once, whose inputs are
// gathered, also of several images, because the weights, which are many where pictures are small, are then read once
// for all of these. Activations are fp32 [image][height][width]
// [channels], channels multiples of 16; the input is read as it is. Weights and their gradients:
// [kernel^2][input][output].
//
// Each output's sums are taken in an order of its own, over taps and then input channels, and each image's gradient in
// one that does not depend on the other images; what is summed over images is summed image by image. Thread-safe, no
// allocation; 64 KiB of stack.
#pragma once

#include "kernels/convolution_shape.h"

namespace fer_ddp {

struct StridedShape {
  int height = 0;  // of the input
  int width = 0;
  int input_channels = 0;
  int output_channels = 0;
  int kernel = 1;  // of a side: 1 or 3
  int stride = 1;
  int padding = 0;

  [[nodiscard]] constexpr int output_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  [[nodiscard]] constexpr int output_width() const { return (width + 2 * padding - kernel) / stride + 1; }
  [[nodiscard]] constexpr int taps() const { return kernel * kernel; }
  [[nodiscard]] constexpr int64_t input_size() const { return int64_t{height} * width * input_channels; }
  [[nodiscard]] constexpr int64_t output_size() const {
    return int64_t{output_height()} * output_width() * output_channels;
  }
  [[nodiscard]] constexpr int64_t weights() const { return int64_t{taps()} * input_channels * output_channels; }
};

// [tap][input][output] to [tap][output][input], for the inputs' gradient.
void transpose_weights(const StridedShape& shape, const float* weights, float* transposed);

// sums (null: not asked for) [2 * output_channels]: added to, of (output - centre) and of its squares.
void strided_convolution(const StridedShape& shape, const float* weights, const float* input, int images, float* output,
                         const float* centre, double* sums);

// output_gradient: of the outputs themselves. Adds to the inputs' gradient.
void add_strided_input_gradient(const StridedShape& shape, const float* transposed_weights,
                                const float* output_gradient, int images, float* input_gradient);

// Writes the weights' gradient; of no images, zeros.
void strided_weight_gradient(const StridedShape& shape, const float* input, const float* output_gradient, int images,
                             float* weight_gradient);

}  // namespace fer_ddp
