// 3 x 3 convolutions of stride 1 by Winograd's minimal filtering, forward and backward (winograd_transforms_inl.h): the
// outputs are cut into tiles of m x m, m = 4 or 6; a tile's (m + 2) x (m + 2) inputs are transformed, (m + 2)^2 matrix
// products over all channels take the place of the convolution, and their results transform back. For m = 6, 64
// products of numbers take the place of 324; rounding grows to some 1e-5 of the largest value (direct: 1e-6).
//
// Backward is the transpose of forward, step by step: the outputs' gradient is transformed once, for both gradients;
// the weights' is its product with the transformed inputs, transformed back; the inputs' is its product with the
// transposed weights, transformed back and added up where tiles overlap.
//
// Tiles are taken through all steps in groups that stay in the cache, of as many images as that needs. Each output's
// sums are taken in an order of its own, whatever the group. What is summed over images is summed within leaves
// (tree_sum.h), and a leaf's sum depends on its own images alone, whichever leaves a call has beside it. `leaves` says
// where they begin and where the last one ends, counted in images; wide layers, whose weights do not fit a cache, want
// several leaves a call, for a group then has many.
//
// Thread-safe, no allocation; channels: multiples of 16. Weights and their gradients are [9][input][output].
#pragma once

#include <span>

#include "kernels/convolution_shape.h"

namespace fer_ddp {

struct WinogradPlan {
  ConvolutionShape shape;
  int outputs = 6;  // m, of a tile's side
  int group = 16;   // tiles that are multiplied at once

  [[nodiscard]] constexpr int points() const { return (outputs + 2) * (outputs + 2); }
  [[nodiscard]] constexpr int rows() const { return (shape.output_height() + outputs - 1) / outputs; }
  [[nodiscard]] constexpr int columns() const { return (shape.output_width() + outputs - 1) / outputs; }
  [[nodiscard]] constexpr int64_t tiles() const { return int64_t{rows()} * columns(); }  // of an image
};

// The quicker m for the shape. Throws std::invalid_argument where channels are no multiples of 16, or padding no 0
// or 1.
[[nodiscard]] WinogradPlan plan_winograd(const ConvolutionShape& shape);

// Floats in the transformed weights, either way, and in the scratch of one call of each.
[[nodiscard]] int64_t winograd_weights_size(const WinogradPlan& plan);
[[nodiscard]] int64_t winograd_forward_scratch_size(const WinogradPlan& plan);
[[nodiscard]] int64_t winograd_backward_scratch_size(const WinogradPlan& plan);

// Transforms the weights of input channels [begin, end), multiples of 16: for forward, and transposed for the gradient
// of the inputs (null: not asked for).
void winograd_transform_weights(const WinogradPlan& plan, const float* weights, int begin, int end, float* forward,
                                float* transposed);

// Images [leaves.front(), leaves.back()). Large outputs are quickest at an address that is a multiple of 64.
// output: [images][output_height][output_width][output_channels]. sums (null: not asked for) [leaves][2 *
// output_channels]: added to, of (output - centre) and of its squares.
void winograd_forward(const WinogradPlan& plan, const float* transformed_weights, const MappedValues& input,
                      std::span<const int> leaves, float* scratch, float* output, const float* centre, double* sums);

// Images [leaves.front(), leaves.back()) of all arrays. transposed_weights: null where the inputs need no gradient.
void winograd_backward(const WinogradPlan& plan, const float* transposed_weights, const MappedValues& input,
                       const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
                       const ConvolutionGradients& gradients);

}  // namespace fer_ddp
