#include "kernels/tile_convolution.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "kernels/tile_groups.h"
#include "kernels/tile_packing.h"

namespace fer_ddp {

namespace {

struct ForwardBuffers {
  Bf16* positions;
  float* block;
  ForwardBuffers(const TilePlan& plan, TileScratch& scratch) {
    const TileGrid grid = input_grid(plan.shape);
    positions = scratch.halves(grid.positions(plan.pictures) * grid.row());
    block = scratch.floats(kBlockSide * kBlockSide);
  }
};

struct BackwardBuffers {
  Bf16* inputs;  // positions, of which `turned` is made
  Bf16* turned;
  Bf16* gradients;  // positions
  Bf16* pairs;
  float* block;
  BackwardBuffers(const TilePlan& plan, TileScratch& scratch) {
    const TileGrid input = input_grid(plan.shape);
    const TileGrid gradient = gradient_grid(plan.shape);
    inputs = scratch.halves(input.positions(plan.pictures) * input.row());
    turned = scratch.halves(input.positions(plan.pictures) * input.depth());
    gradients = scratch.halves(gradient.positions(plan.pictures) * gradient.row());
    pairs = scratch.halves(gradient.outputs(plan.pictures) * gradient.depth());
    block = scratch.floats(kBlockSide * kBlockSide);
  }
};

WeightShape weight_shape(const ConvolutionShape& shape) { return {9, shape.input_channels, shape.output_channels}; }

// Where the taps' values lie from a position's own on: of its picture, whose upper left border is where the position
// is.
std::array<int64_t, 9> taps_of(const TileGrid& grid, int64_t stride) {
  std::array<int64_t, 9> taps{};
  for (int tap = 0; tap < 9; ++tap) taps[static_cast<size_t>(tap)] = (tap / 3 * grid.pitch() + tap % 3) * stride;
  return taps;
}

// Steps whose operands stay in the first-level cache while all taps take them.
constexpr int kStepsAtOnce = 8;

// Of one group; `add`: to what the leaf's groups before have left.
void add_weight_gradient(const TilePlan& plan, const BackwardBuffers& buffers, int pictures, bool add, float* weights) {
  const ConvolutionShape& shape = plan.shape;
  const TileGrid from = input_grid(shape);
  const TileGrid by = gradient_grid(shape);
  const int64_t row = from.positions(pictures);
  const int64_t half = by.outputs(pictures) * kTileSide;
  const std::array<int64_t, 9> taps = taps_of(from, 1);
  const auto steps = static_cast<int>(by.outputs(pictures) / kTileDepth);
  TileProduct product{.a_row = row, .b_step = kTileValues, .b_right = half};
  for (int output = 0; output < shape.output_channels; output += kBlockSide)
    for (int input = 0; input < shape.input_channels; input += kBlockSide)
      for (int step = 0; step < steps; step += kStepsAtOnce) {
        product.steps = std::min(kStepsAtOnce, steps - step);
        product.a = buffers.turned + input * row + int64_t{step} * kTileDepth;
        product.b = buffers.pairs + output / kTileSide * half + int64_t{step} * kTileValues;
        for (int tap = 0; tap < 9; ++tap) {
          product.taps = std::span(taps).subspan(static_cast<size_t>(tap), 1);
          multiply_into_weights(
              product,
              {.rows = std::min(kBlockSide, shape.input_channels - input),
               .columns = std::min(kBlockSide, shape.output_channels - output),
               .outputs = shape.output_channels,
               .to = weights + (int64_t{tap} * shape.input_channels + input) * shape.output_channels + output,
               .add = add || step > 0},
              buffers.block);
        }
      }
}

// From one image on.
MappedValues from_image(const ConvolutionShape& shape, const MappedValues& input, int64_t image) {
  return {input.values + image * shape.input_size(), input.scale, input.shift};
}

void pack_group(const TilePlan& plan, const MappedValues& input, const MappedGradient& gradient, int first,
                int pictures, const BackwardBuffers& buffers) {
  const ConvolutionShape& shape = plan.shape;
  const TileGrid from = input_grid(shape);
  const TileGrid by = gradient_grid(shape);
  for (int i = 0; i < pictures; ++i) {
    pack_picture(from, from_image(shape, input, first + i), i, buffers.inputs);
    pack_gradient(by, from_image(by, gradient, first + i), i, buffers.gradients);
  }
  pack_ends(from, pictures, buffers.inputs);
  pack_ends(by, pictures, buffers.gradients);
  turn_positions(from, buffers.inputs, pictures, buffers.turned);
  pair_positions(by, buffers.gradients, pictures, buffers.pairs);
}

}  // namespace

TilePlan plan_tiles(const ConvolutionShape& shape) {
  if (shape.input_channels % 16 != 0 || shape.output_channels % 16 != 0 || shape.padding < 0 || shape.padding > 1)
    throw std::invalid_argument("plan_tiles: channels must be multiples of 16, padding 0 or 1");
  return {.shape = shape, .pictures = pictures_at_once(input_grid(shape), gradient_grid(shape))};
}

int64_t tile_weights_size(const TilePlan& plan) { return packed_weights_size(weight_shape(plan.shape)); }

int64_t tile_forward_scratch_size(const TilePlan& plan) {
  TileScratch scratch(nullptr);
  static_cast<void>(ForwardBuffers(plan, scratch));
  return scratch.size();
}

int64_t tile_backward_scratch_size(const TilePlan& plan) {
  TileScratch scratch(nullptr);
  static_cast<void>(BackwardBuffers(plan, scratch));
  return std::max(scratch.size(), tile_forward_scratch_size(plan));
}

void tile_pack_weights(const TilePlan& plan, const float* weights, int begin, int end, Bf16* forward,
                       Bf16* transposed) {
  pack_weights(weight_shape(plan.shape), weights, begin, end, forward, transposed);
}

void tile_forward(const TilePlan& plan, const Bf16* packed_weights, const MappedValues& input,
                  std::span<const int> leaves, float* scratch, float* output, const float* centre, double* sums) {
  const ConvolutionShape& shape = plan.shape;
  const TileGrid grid = input_grid(shape);
  TileScratch parts(scratch);
  const ForwardBuffers buffers(plan, parts);
  const bool past_cache = goes_past_cache(shape.output_size(), output);
  const TileScope tiles;
  for_each_group(plan.pictures, leaves, [&](int64_t leaf, int first, int pictures, bool) {
    for (int i = 0; i < pictures; ++i) pack_picture(grid, from_image(shape, input, first + i), i, buffers.positions);
    pack_ends(grid, pictures, buffers.positions);
    multiply_positions({.grid = grid,
                        .pictures = pictures,
                        .height = shape.output_height(),
                        .width = shape.output_width(),
                        .channels = shape.output_channels,
                        .output = output + first * shape.output_size(),
                        .past_cache = past_cache,
                        .sums = sums == nullptr ? nullptr : sums + leaf * 2 * shape.output_channels,
                        .middle = centre},
                       taps_of(grid, grid.row()), buffers.positions, packed_weights, buffers.block);
  });
  hwy::FlushStream();  // before another thread is told that they are there
}

void tile_backward(const TilePlan& plan, const Bf16* transposed_weights, const MappedValues& input,
                   const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
                   const ConvolutionGradients& gradients) {
  const ConvolutionShape& shape = plan.shape;
  TileScratch parts(scratch);
  const BackwardBuffers buffers(plan, parts);
  const bool past_cache = goes_past_cache(shape.input_size(), gradients.input);
  const TileScope tiles;
  clear_empty_leaves(leaves, shape.weights(), gradients.weights);
  for_each_group(plan.pictures, leaves, [&](int64_t leaf, int first, int pictures, bool is_first) {
    pack_group(plan, input, gradient, first, pictures, buffers);
    add_weight_gradient(plan, buffers, pictures, !is_first, gradients.weights + leaf * shape.weights());
    multiply_positions({.grid = gradient_grid(shape),
                        .pictures = pictures,
                        .height = shape.height,
                        .width = shape.width,
                        .channels = shape.input_channels,
                        .output = gradients.input + first * shape.input_size(),
                        .add = gradients.add_to_input,
                        .past_cache = past_cache,
                        .sums = gradients.sums == nullptr ? nullptr : gradients.sums + leaf * 2 * shape.input_channels,
                        .middle = gradients.mean,
                        .seen = from_image(shape, input, first)},
                       taps_of(gradient_grid(shape), gradient_grid(shape).row()), buffers.gradients, transposed_weights,
                       buffers.block);
  });
  hwy::FlushStream();
}

}  // namespace fer_ddp
