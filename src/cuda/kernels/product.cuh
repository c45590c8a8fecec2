// Convolutions and dense layers, their gradients too, as one kernel: a block takes a tile of the output and walks the
// depth, the next steps' vectors on their way into shared memory while it multiplies (product_panels.cuh says what it
// reads, product_math.cuh how it multiplies). Where tiles are few and depth is long, the depth is cut among several
// blocks, each of which leaves a part of its own to be added up.
#pragma once

#include "cuda/kernels/launch_context.h"
#include "cuda/kernels/product_math.cuh"
#include "cuda/kernels/product_panels.cuh"
#include "device_words.h"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

inline constexpr int kStepsAhead = 2;  // of the sum: on their way into shared memory
inline constexpr int kProductStages = kStepsAhead + 1;

// Neighbours of a row, written at once. Rows have multiples of 16 columns, so that a run is there as a whole or not.
template <typename T, int kRun>
struct alignas(sizeof(T) * kRun) Run {
  T values[kRun];
};

// Where a tile goes: [rows][columns] of values, or of floats with one such matrix for each part of the depth.
template <typename T>
struct ValueOutput {
  T* values;
  int rows, columns;
  bool add;

  template <int kRun>
  __device__ void put(int, int row, int column, const float (&run)[kRun]) const {
    if (row >= rows || column >= columns) return;
    auto* place = reinterpret_cast<Run<T, kRun>*>(values + static_cast<size_t>(row) * columns + column);
    Run<T, kRun> before{};
    if (add) before = *place;
    Run<T, kRun> after;
#pragma unroll
    for (int i = 0; i < kRun; ++i) after.values[i] = from_float<T>(add ? to_float(before.values[i]) + run[i] : run[i]);
    *place = after;
  }
};
struct PartOutput {
  float* parts;
  int rows, columns;

  template <int kRun>
  __device__ void put(int part, int row, int column, const float (&run)[kRun]) const {
    if (row >= rows || column >= columns) return;
    Run<float, kRun> after;
#pragma unroll
    for (int i = 0; i < kRun; ++i) after.values[i] = run[i];
    float* place = parts + (static_cast<size_t>(part) * rows + row) * columns + column;
    *reinterpret_cast<Run<float, kRun>*>(place) = after;
  }
};

// A tile's vectors of one step, each thread its own.
template <typename Tile, typename Panel, typename Cursor>
__device__ void start_copies(const Panel& panel, const Cursor& cursor, typename Panel::Value* tile) {
  using T = typename Panel::Value;
#pragma unroll
  for (int i = 0; i < Cursor::kVectors; ++i) {
    bool there = false;
    const T* from = cursor.address(panel, i, there);
    T* to = nullptr;
    if constexpr (Panel::kDepthContiguous) {
      to = tile + Tile::at(static_cast<int>(threadIdx.x) / 4 + i * (kProductThreads / 4),
                           static_cast<int>(threadIdx.x) % 4 * kLanes<T>);
    } else {
      to = tile + Tile::at(Cursor::Vectors::row(), Cursor::Vectors::depth(i));
    }
    start_copy_16(to, from, there);
  }
}

template <template <typename, typename> typename Math, typename PanelA, typename PanelB, typename Output>
__global__ void __launch_bounds__(kProductThreads, 2)
    product(PanelA a, PanelB b, Output output, int depth, int depth_of_part) {
  using T = typename PanelA::Value;
  using LayoutA = TileA<PanelA, PanelB>;
  using LayoutB = TileB<PanelA, PanelB>;
  T* tiles_a = shared_memory<T>();
  T* tiles_b = tiles_a + kProductStages * LayoutA::kSize;
  const int first_row = static_cast<int>(blockIdx.x) * kTileRows;
  const int first_column = static_cast<int>(blockIdx.y) * kTileColumns;
  const int part = static_cast<int>(blockIdx.z);
  const int begin = part * depth_of_part;
  const int end = begin + depth_of_part < depth ? begin + depth_of_part : depth;
  const int steps = begin < end ? (end - begin + kDepthOfStep<T> - 1) / kDepthOfStep<T> : 0;

  using CursorA = typename PanelA::template Cursor<kTileRows>;
  using CursorB = typename PanelB::template Cursor<kTileColumns>;
  CursorA cursor_a(a, first_row, begin);
  CursorB cursor_b(b, first_column, begin);
  const auto start_step = [&](int step) {
    if (step < steps) {
      start_copies<LayoutA>(a, cursor_a, tiles_a + step % kProductStages * LayoutA::kSize);
      start_copies<LayoutB>(b, cursor_b, tiles_b + step % kProductStages * LayoutB::kSize);
      cursor_a.advance(a);
      cursor_b.advance(b);
    }
    end_copy_group();
  };
  for (int step = 0; step < kStepsAhead; ++step) start_step(step);
  Math<PanelA, PanelB> math;
  for (int step = 0; step < steps; ++step) {
    wait_for_copy_groups<kStepsAhead - 1>();
    __syncthreads();  // the step's tiles are there, and those of the step before are no longer read
    start_step(step + kStepsAhead);
    math.multiply(tiles_a + step % kProductStages * LayoutA::kSize, tiles_b + step % kProductStages * LayoutB::kSize);
  }
  math.for_each_run(
      [&](int row, int column, const auto& run) { output.put(part, first_row + row, first_column + column, run); });
}

// Parts of the depth for which all multiprocessors have two blocks, each of at least `kFewestSteps`.
template <typename T>
int parts_of(int64_t rows, int64_t columns, int64_t depth, int multiprocessors) {
  constexpr int kFewestSteps = 8;
  const int64_t tiles = int64_t{rounded_up_share(rows, kTileRows)} * rounded_up_share(columns, kTileColumns);
  const int64_t most = depth / (int64_t{kFewestSteps} * kDepthOfStep<T>);
  const int64_t wanted = 2 * multiprocessors / (tiles > 0 ? tiles : 1);
  const int64_t parts = wanted < most ? wanted : most;
  return parts > 1 ? static_cast<int>(parts) : 1;
}

template <template <typename, typename> typename Math, typename PanelA, typename PanelB, typename Output>
void launch_product(const LaunchContext& context, const PanelA& a, const PanelB& b, const Output& output, int depth,
                    int parts) {
  using T = typename PanelA::Value;
  if (output.rows == 0 || output.columns == 0) return;
  const int steps = rounded_up_share(depth, kDepthOfStep<T>);
  const int depth_of_part = rounded_up_share(steps, parts) * kDepthOfStep<T>;
  const size_t shared = sizeof(T) * kProductStages * (TileA<PanelA, PanelB>::kSize + TileB<PanelA, PanelB>::kSize);
  const dim3 grid(static_cast<unsigned>(rounded_up_share(output.rows, kTileRows)),
                  static_cast<unsigned>(rounded_up_share(output.columns, kTileColumns)), static_cast<unsigned>(parts));
  launch(grid, dim3(kProductThreads), shared, context.stream, product<Math, PanelA, PanelB, Output>, a, b, output,
         depth, depth_of_part);
}

// The sides of a convolution's products.
template <typename T>
PatchRows<T, false> patch_rows(const DeviceConvolution& shape, const void* input) {
  return {.values = static_cast<const T*>(input),
          .walk = {shape.input.height, shape.input.width, shape.stride, shape.padding},
          .row_count = static_cast<int>(shape.output.positions()),
          .row_height = shape.output.height,
          .row_width = shape.output.width,
          .channels = shape.input.channels,
          .kernel = shape.kernel};
}
template <typename T>
WeightRows<T> weight_rows(const DeviceConvolution& shape, const void* weights) {
  return {.weights = static_cast<const T*>(weights),
          .row_count = shape.output.channels,
          .depth = shape.taps() * shape.input.channels};
}

template <template <typename, typename> typename Math, typename T>
void launch_convolution(const LaunchContext& context, const DeviceConvolution& shape, const void* input,
                        const void* weights, void* output) {
  launch_product<Math>(context, patch_rows<T>(shape, input), weight_rows<T>(shape, weights),
                       ValueOutput<T>{.values = static_cast<T*>(output),
                                      .rows = static_cast<int>(shape.output.positions()),
                                      .columns = shape.output.channels,
                                      .add = false},
                       shape.taps() * shape.input.channels, 1);
}

template <template <typename, typename> typename Math, typename T>
void launch_input_gradient(const LaunchContext& context, const DeviceConvolution& shape, const void* output_gradient,
                           const void* weights, void* input_gradient, bool add) {
  const PatchRows<T, true> rows{.values = static_cast<const T*>(output_gradient),
                                .walk = {shape.output.height, shape.output.width, shape.stride, shape.padding},
                                .row_count = static_cast<int>(shape.input.positions()),
                                .row_height = shape.input.height,
                                .row_width = shape.input.width,
                                .channels = shape.output.channels,
                                .kernel = shape.kernel};
  const WeightColumns<T> columns{.weights = static_cast<const T*>(weights),
                                 .row_count = shape.input.channels,
                                 .outputs = shape.output.channels,
                                 .taps = shape.taps()};
  launch_product<Math>(context, rows, columns,
                       ValueOutput<T>{.values = static_cast<T*>(input_gradient),
                                      .rows = static_cast<int>(shape.input.positions()),
                                      .columns = shape.input.channels,
                                      .add = add},
                       shape.taps() * shape.output.channels, 1);
}

// Where there are fewer output channels than a tile has rows, they become its columns, and the gradient is turned.
template <typename T>
WeightGradientParts weight_gradient_parts(const LaunchContext& context, const DeviceConvolution& shape) {
  const int inputs = shape.taps() * shape.input.channels;
  const int outputs = shape.output.channels;
  const bool is_turned = outputs < kTileRows && inputs > outputs;
  return {.count = parts_of<T>(is_turned ? inputs : outputs, is_turned ? outputs : inputs, shape.output.positions(),
                               context.multiprocessors),
          .is_turned = is_turned};
}

template <template <typename, typename> typename Math, typename T>
void launch_weight_gradient(const LaunchContext& context, const DeviceConvolution& shape, const void* input,
                            const void* output_gradient, float* parts) {
  const int positions = static_cast<int>(shape.output.positions());
  const int inputs = shape.taps() * shape.input.channels;
  const int outputs = shape.output.channels;
  const PatchColumns<T> patches{.values = static_cast<const T*>(input),
                                .walk = {shape.input.height, shape.input.width, shape.stride, shape.padding},
                                .positions = positions,
                                .position_height = shape.output.height,
                                .position_width = shape.output.width,
                                .channels = shape.input.channels,
                                .kernel = shape.kernel};
  const GradientColumns<T> gradient{
      .gradient = static_cast<const T*>(output_gradient), .row_count = outputs, .positions = positions};
  const WeightGradientParts cut = weight_gradient_parts<T>(context, shape);
  if (cut.is_turned)
    launch_product<Math>(context, patches, gradient, PartOutput{parts, inputs, outputs}, positions, cut.count);
  else
    launch_product<Math>(context, gradient, patches, PartOutput{parts, outputs, inputs}, positions, cut.count);
}

template <typename T>
int dense_parts(const LaunchContext& context, const DeviceConvolution& shape) {
  return parts_of<T>(shape.output.positions(), shape.output.channels, shape.input.channels, context.multiprocessors);
}

// parts: [part][image][unit].
template <template <typename, typename> typename Math, typename T>
void launch_dense(const LaunchContext& context, const DeviceConvolution& shape, const void* input, const void* weights,
                  float* parts) {
  launch_product<Math>(context, patch_rows<T>(shape, input), weight_rows<T>(shape, weights),
                       PartOutput{parts, static_cast<int>(shape.output.positions()), shape.output.channels},
                       shape.input.channels, dense_parts<T>(context, shape));
}

}  // namespace fer_ddp::cuda
