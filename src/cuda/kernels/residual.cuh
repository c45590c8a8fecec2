// The end of a residual block, out = relu(map_a(a) + map_b(b)), and the gradient of what ReLU has read.
#pragma once

#include "cuda/kernels/channel_grid.cuh"
#include "cuda/kernels/channel_map.cuh"

namespace fer_ddp::cuda {

constexpr int kResidualRows = 2;  // that a thread reads at once

template <typename T>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    residual_sum_kernel(ResidualSum work, ChannelGrid grid) {
  enum Constant { kScaleA, kScaleB, kShift };
  ChannelConstants<T> constants{shared_memory<float>()};
  const ChannelPlace place = channel_place<T>(grid);
  Packed a[kResidualRows], b[kResidualRows];
  uint32_t row = first_row<kResidualRows>(grid, place);
  load_rows<T>(work.a, grid, place.channel, row, a);
  load_rows<T>(work.b, grid, place.channel, row, b);
  const bool keep = blockIdx.x == 0;
  for_tile_channels(place, [&](int channel, int i) {
    const Affine of_a = forward_affine(work.map_a, grid.channels, channel, keep);
    const Affine of_b = forward_affine(work.map_b, grid.channels, channel, keep);
    constants.at(kScaleA, i) = of_a.scale;
    constants.at(kScaleB, i) = of_b.scale;
    constants.at(kShift, i) = of_a.shift + of_b.shift;
  });
  while (row < grid.rows) {
    for (int i = 0; i < kResidualRows; ++i) {
      const uint32_t at = row + static_cast<uint32_t>(i * grid.block_rows);
      if (at >= grid.rows) break;
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float first[4], second[4], scale_a[4], scale_b[4], shift[4];
        unpack<T>(a[i], quad, first);
        unpack<T>(b[i], quad, second);
        constants.load(kScaleA, place, quad, scale_a);
        constants.load(kScaleB, place, quad, scale_b);
        constants.load(kShift, place, quad, shift);
        for (int lane = 0; lane < 4; ++lane)
          first[lane] =
              positive_part(__fmaf_rn(first[lane], scale_a[lane], __fmaf_rn(second[lane], scale_b[lane], shift[lane])));
        pack<T>(first, quad, a[i]);
      }
      store_packed<T>(work.output, int64_t{at} * grid.channels + place.channel, a[i]);
    }
    row += row_step<kResidualRows>(grid);
    load_rows<T>(work.a, grid, place.channel, row, a);
    load_rows<T>(work.b, grid, place.channel, row, b);
  }
}

template <typename T>
void launch_residual_sum(const LaunchContext& context, const ResidualSum& work) {
  const ChannelGrid grid =
      channel_grid<T>(work.extent.positions(), work.extent.channels, kResidualRows, context.multiprocessors);
  launch(grid.blocks(), dim3(kBlockThreads), 3 * kConstantFloats<T> * sizeof(float), context.stream,
         residual_sum_kernel<T>, work, grid);
}

// gradient *= output > 0. A gradient whose output is NaN stays.
template <typename T>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    residual_gradient_kernel(const void* output, void* gradient, ChannelGrid grid) {
  const ChannelPlace place = channel_place<T>(grid);
  for (uint32_t row = first_row<kResidualRows>(grid, place); row < grid.rows; row += row_step<kResidualRows>(grid)) {
    Packed of_output[kResidualRows], passed[kResidualRows];
    load_rows<T>(output, grid, place.channel, row, of_output);
    load_rows<T>(gradient, grid, place.channel, row, passed);
    for (int i = 0; i < kResidualRows; ++i) {
      const uint32_t at = row + static_cast<uint32_t>(i * grid.block_rows);
      if (at >= grid.rows) break;
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float numbers[4], outputs[4];
        unpack<T>(passed[i], quad, numbers);
        unpack<T>(of_output[i], quad, outputs);
        for (int lane = 0; lane < 4; ++lane)
          if (outputs[lane] <= 0) numbers[lane] = 0;
        pack<T>(numbers, quad, passed[i]);
      }
      store_packed<T>(gradient, int64_t{at} * grid.channels + place.channel, passed[i]);
    }
  }
}

template <typename T>
void launch_residual_gradient(const LaunchContext& context, const DeviceExtent& extent, const void* output,
                              void* gradient) {
  if (extent.images == 0) return;
  const ChannelGrid grid = channel_grid<T>(extent.positions(), extent.channels, kResidualRows, context.multiprocessors);
  launch(grid.blocks(), dim3(kBlockThreads), 0, context.stream, residual_gradient_kernel<T>, output, gradient, grid);
}

}  // namespace fer_ddp::cuda
