// The first layer: a 3 x 3 convolution of stride 1 from images of one channel, directly, for it has but nine products
// an output. Its gradient asks for the weights alone. Shapes and the layers around it: convolution_shape.h, with one
// input channel; output channels: a multiple of 16. Weights and their gradient: [9][output_channels].
//
// Thread-safe, no allocation. What is summed over images is summed image by image.
#pragma once

#include "kernels/convolution_shape.h"

namespace fer_ddp {

// Floats in the scratch of one call of each: one image with its border.
[[nodiscard]] int64_t image_convolution_scratch_size(const ConvolutionShape& shape);

// images: [count][height][width]. output: [count][output_height][output_width][output_channels], quickest at an address
// that is a multiple of 64. sums (null: not asked for) [2 * output_channels]: added to, of (output - centre) and of its
// squares.
void image_convolution(const ConvolutionShape& shape, const float* weights, const float* images, int count,
                       float* scratch, float* output, const float* centre, double* sums);

// Writes the weights' gradient.
void image_convolution_gradient(const ConvolutionShape& shape, const float* images, const MappedGradient& gradient,
                                int count, float* scratch, float* weight_gradient);

}  // namespace fer_ddp
