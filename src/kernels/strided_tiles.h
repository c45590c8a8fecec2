// The convolutions of strided_convolution.h with bf16 operands and fp32 sums, by matrix tiles (matrix_tiles.h), as
// products over the columns of column_packing.h. The input is read as it is, not through a map, and nothing is summed
// of its gradient; the gradient of outputs may be mapped. A group's gradients are read before any of the inputs' is
// written: the two may lie in the same memory. All else is as in tile_convolution.h: groups of a leaf's pictures,
// leaves, scratch, and where nothing here may be called.
#pragma once

#include <span>

#include "kernels/convolution_shape.h"
#include "kernels/matrix_tiles.h"
#include "kernels/strided_convolution.h"

namespace fer_ddp {

struct StridedTilePlan {
  StridedShape shape;
  int pictures = 1;  // of a group
};

// Whether tiles are quicker than strided_convolution.h: at so many channels they are in any of the shapes
// (tests/bench/convolutions.py --direct).
[[nodiscard]] constexpr bool strided_tiles_pay(const StridedShape& shape) {
  constexpr int64_t kFewest = int64_t{32} * 32;
  return int64_t{shape.input_channels} * shape.output_channels >= kFewest;
}

// Throws std::invalid_argument where channels are no multiples of 16.
[[nodiscard]] StridedTilePlan plan_strided_tiles(const StridedShape& shape);

// Values in the packed weights, of forward as of backward; floats in the scratch of one call of either.
[[nodiscard]] int64_t strided_tile_weights_size(const StridedTilePlan& plan);
[[nodiscard]] int64_t strided_tile_scratch_size(const StridedTilePlan& plan);

// Packs the weights [kernel^2][input][output] of input channels [begin, end), multiples of 32 or the last one's end.
void strided_tile_pack_weights(const StridedTilePlan& plan, const float* weights, int begin, int end, Bf16* forward,
                               Bf16* transposed);

// Images [leaves.front(), leaves.back()). input: without a map. sums (null: not asked for) [leaves][2 *
// output_channels]: added to, of (output - centre) and of its squares.
void strided_tile_forward(const StridedTilePlan& plan, const Bf16* packed_weights, const MappedValues& input,
                          std::span<const int> leaves, float* scratch, float* output, const float* centre,
                          double* sums);

// Images [leaves.front(), leaves.back()) of all arrays. gradients.sums: null.
void strided_tile_backward(const StridedTilePlan& plan, const Bf16* transposed_weights, const MappedValues& input,
                           const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
                           const ConvolutionGradients& gradients);

}  // namespace fer_ddp
