#include "kernels/strided_tiles.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "kernels/column_packing.h"
#include "kernels/tile_groups.h"

namespace fer_ddp {

namespace {

// Of the outputs' gradient, a position after the other as in the columns.
TileGrid output_grid(const StridedShape& shape) {
  return {.height = shape.output_height(),
          .width = shape.output_width(),
          .channels = shape.output_channels,
          .border = 0,
          .window = 1};
}

WeightShape weight_shape(const StridedShape& shape) {
  return {shape.taps(), shape.input_channels, shape.output_channels};
}

struct Buffers {
  Bf16* columns;
  float* block;
  Bf16* turned;     // the columns; from here on backward's alone
  Bf16* gradients;  // positions
  Bf16* pairs;
  Buffers(const StridedTilePlan& plan, TileScratch& scratch) {
    const TileGrid from = column_grid(plan.shape);
    const TileGrid by = output_grid(plan.shape);
    columns = scratch.halves(from.positions(plan.pictures) * from.row());
    block = scratch.floats(kBlockSide * kBlockSide);
    turned = scratch.halves(from.positions(plan.pictures) * from.depth());
    gradients = scratch.halves(by.positions(plan.pictures) * by.row());
    pairs = scratch.halves(by.outputs(plan.pictures) * by.depth());
  }
};

// A position's own values are all that it takes.
constexpr std::array<int64_t, 1> kOwn{0};

void pack_inputs(const StridedShape& shape, const float* input, int pictures, Bf16* columns) {
  for (int i = 0; i < pictures; ++i) pack_columns(shape, input + i * shape.input_size(), i, columns);
  pack_ends(column_grid(shape), pictures, columns);
}

void pack_outputs(const StridedShape& shape, const MappedGradient& gradient, int first, int pictures,
                  const Buffers& buffers) {
  const TileGrid by = output_grid(shape);
  for (int i = 0; i < pictures; ++i) pack_gradient(by, from_image(by, gradient, first + i), i, buffers.gradients);
  pack_ends(by, pictures, buffers.gradients);
  pair_positions(by, buffers.gradients, pictures, buffers.pairs);
}

// Of one group; `add`: to what the leaf's groups before have left.
void add_weight_gradient(const StridedShape& shape, const Buffers& buffers, int pictures, bool add, float* weights) {
  const TileGrid from = column_grid(shape);
  const TileGrid by = output_grid(shape);
  turn_positions(from, buffers.columns, pictures, buffers.turned);
  const int64_t row = from.positions(pictures);
  const int64_t half = by.outputs(pictures) * kTileSide;
  TileProduct product{.a_row = row,
                      .taps = kOwn,
                      .steps = static_cast<int>(by.outputs(pictures) / kTileDepth),
                      .b_step = kTileValues,
                      .b_right = half};
  for (int output = 0; output < shape.output_channels; output += kBlockSide)
    for (int tap = 0; tap < shape.taps(); ++tap)
      for (int input = 0; input < shape.input_channels; input += kBlockSide) {
        product.a = buffers.turned + (tap * tap_depth(shape) + input) * row;
        product.b = buffers.pairs + output / kTileSide * half;
        multiply_into_weights(
            product,
            {.rows = std::min(kBlockSide, shape.input_channels - input),
             .columns = std::min(kBlockSide, shape.output_channels - output),
             .outputs = shape.output_channels,
             .to = weights + (int64_t{tap} * shape.input_channels + input) * shape.output_channels + output,
             .add = add},
            buffers.block);
      }
}

// Of one group.
void add_input_gradient(const StridedShape& shape, const Bf16* weights, const Buffers& buffers, int pictures,
                        float* input_gradient) {
  const TileGrid by = output_grid(shape);
  const int64_t panel = by.depth() * kTileDepth;
  TileProduct product{.a_row = by.row(),
                      .taps = kOwn,
                      .steps = static_cast<int>(by.depth() / kTileDepth),
                      .b_step = 2 * kTileValues,
                      .b_right = kTileValues,
                      .out = buffers.block,
                      .out_row = kBlockSide};
  for (int tap = 0; tap < shape.taps(); ++tap)
    for (int channel = 0; channel < shape.input_channels; channel += kBlockSide) {
      product.b = weights + (channel / kBlockSide * shape.taps() + shape.taps() - 1 - tap) * panel;
      for (int64_t first = 0; first < by.outputs(pictures); first += kBlockSide) {
        product.a = buffers.gradients + first * by.row();
        multiply_tiles(product);
        add_column_block(shape, buffers.block, first, pictures, tap, channel, input_gradient);
      }
    }
}

}  // namespace

StridedTilePlan plan_strided_tiles(const StridedShape& shape) {
  if (shape.input_channels % 16 != 0 || shape.output_channels % 16 != 0)
    throw std::invalid_argument("plan_strided_tiles: channels must be multiples of 16");
  return {.shape = shape, .pictures = pictures_at_once(column_grid(shape), output_grid(shape))};
}

int64_t strided_tile_weights_size(const StridedTilePlan& plan) { return packed_weights_size(weight_shape(plan.shape)); }

int64_t strided_tile_scratch_size(const StridedTilePlan& plan) {
  TileScratch scratch(nullptr);
  static_cast<void>(Buffers(plan, scratch));
  return scratch.size();
}

void strided_tile_pack_weights(const StridedTilePlan& plan, const float* weights, int begin, int end, Bf16* forward,
                               Bf16* transposed) {
  pack_weights(weight_shape(plan.shape), weights, begin, end, forward, transposed);
}

void strided_tile_forward(const StridedTilePlan& plan, const Bf16* packed_weights, const MappedValues& input,
                          std::span<const int> leaves, float* scratch, float* output, const float* centre,
                          double* sums) {
  const StridedShape& shape = plan.shape;
  TileScratch parts(scratch);
  const Buffers buffers(plan, parts);
  const bool past_cache = goes_past_cache(shape.output_size(), output);
  const TileScope tiles;
  for_each_group(plan.pictures, leaves, [&](int64_t leaf, int first, int pictures, bool) {
    pack_inputs(shape, input.values + first * shape.input_size(), pictures, buffers.columns);
    multiply_positions({.grid = column_grid(shape),
                        .pictures = pictures,
                        .height = shape.output_height(),
                        .width = shape.output_width(),
                        .channels = shape.output_channels,
                        .output = output + first * shape.output_size(),
                        .past_cache = past_cache,
                        .sums = sums == nullptr ? nullptr : sums + leaf * 2 * shape.output_channels,
                        .middle = centre},
                       kOwn, buffers.columns, packed_weights, buffers.block);
  });
  hwy::FlushStream();  // before another thread is told that they are there
}

void strided_tile_backward(const StridedTilePlan& plan, const Bf16* transposed_weights, const MappedValues& input,
                           const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
                           const ConvolutionGradients& gradients) {
  const StridedShape& shape = plan.shape;
  TileScratch parts(scratch);
  const Buffers buffers(plan, parts);
  const TileScope tiles;
  clear_empty_leaves(leaves, shape.weights(), gradients.weights);
  for_each_group(plan.pictures, leaves, [&](int64_t leaf, int first, int pictures, bool is_first) {
    pack_inputs(shape, input.values + first * shape.input_size(), pictures, buffers.columns);
    pack_outputs(shape, gradient, first, pictures, buffers);
    add_weight_gradient(shape, buffers, pictures, !is_first, gradients.weights + leaf * shape.weights());
    float* const to = gradients.input + first * shape.input_size();
    if (!gradients.add_to_input) std::fill_n(to, pictures * shape.input_size(), 0.0F);
    add_input_gradient(shape, transposed_weights, buffers, pictures, to);
  });
}

}  // namespace fer_ddp
