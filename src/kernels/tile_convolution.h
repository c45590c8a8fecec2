// 3 x 3 convolutions of stride 1 with bf16 operands and fp32 sums, forward and backward, by matrix tiles
// (matrix_tiles.h): direct ones, as products over taps and channels, since tiles multiply so fast that Winograd's fewer
// products (winograd.h) would not pay for their transforms. Values, the gradient of outputs and weights are rounded to
// bf16 as they are laid out for the products (tile_layout.h); activations, gradients and statistics stay fp32.
//
// Pictures are taken in groups of one leaf's (tree_sum.h) that stay in the second-level cache. An output depends on its
// own picture alone, and a leaf's sums on its own pictures alone. As in winograd.h: thread-safe, no allocation;
// channels: multiples of 16; weights and their gradients are [9][input][output]; `leaves` says where leaves begin and
// where the last one ends, counted in images. Where matrix_tiles_refusal() says something, nothing here may be called.
#pragma once

#include <span>

#include "kernels/convolution_shape.h"
#include "kernels/matrix_tiles.h"

namespace fer_ddp {

struct TilePlan {
  ConvolutionShape shape;
  int pictures = 1;  // of a group
};

// Whether tiles are quicker than winograd.h. Where there are few channels, a value takes part in too few products to
// pay for its rounding and laying out (tests/bench/convolutions.py).
[[nodiscard]] constexpr bool tiles_pay(const ConvolutionShape& shape) {
  constexpr int64_t kFewest = int64_t{32} * 32;
  return int64_t{shape.input_channels} * shape.output_channels >= kFewest;
}

// Throws std::invalid_argument where channels are no multiples of 16, or padding no 0 or 1.
[[nodiscard]] TilePlan plan_tiles(const ConvolutionShape& shape);

// Values in the packed weights, either way; floats in the scratch of one call of each.
[[nodiscard]] int64_t tile_weights_size(const TilePlan& plan);
[[nodiscard]] int64_t tile_forward_scratch_size(const TilePlan& plan);
[[nodiscard]] int64_t tile_backward_scratch_size(const TilePlan& plan);

// Packs the weights of input channels [begin, end), multiples of 32 or the last one's end: for forward, and transposed
// for the gradient of the inputs.
void tile_pack_weights(const TilePlan& plan, const float* weights, int begin, int end, Bf16* forward, Bf16* transposed);

// Images [leaves.front(), leaves.back()). scratch: at a multiple of 64. output:
// [images][output_height][output_width][output_channels]. sums (null: not asked for) [leaves][2 * output_channels]:
// added to, of (output - centre) and of its squares.
void tile_forward(const TilePlan& plan, const Bf16* packed_weights, const MappedValues& input,
                  std::span<const int> leaves, float* scratch, float* output, const float* centre, double* sums);

// Images [leaves.front(), leaves.back()) of all arrays.
void tile_backward(const TilePlan& plan, const Bf16* transposed_weights, const MappedValues& input,
                   const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
                   const ConvolutionGradients& gradients);

}  // namespace fer_ddp
