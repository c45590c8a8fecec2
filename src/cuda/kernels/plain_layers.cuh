// Layers without parameters of their own: pools, and what stands between dense layers (sum of parts, bias, ReLU,
// dropout). Features are in feature_rows.cuh.
#pragma once

#include "cuda/kernels/channel_sums.cuh"
#include "cuda/kernels/feature_rows.cuh"
#include "cuda/kernels/windows.cuh"

namespace fer_ddp::cuda {

// ---- Pools; the grid's rows are windows ----

template <typename T, bool kAverage>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    pool_kernel(const void* input, void* output, uint8_t* winners, Windows windows, ChannelGrid grid) {
  const ChannelPlace place = channel_place<T>(grid);
  for (uint32_t row = first_row<1>(grid, place); row < grid.rows; row += row_step<1>(grid)) {
    Packed read[4], pooled;
    PackedBytes<T> places;
    load_window<T>(input, windows, window_at(windows, row), grid.channels, place.channel, read);
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      Largest largest;
      float sum[4] = {};
      for (int i = 0; i < 4; ++i) {
        float numbers[4];
        unpack<T>(read[i], quad, numbers);
        largest.take(i, numbers);
        for (int lane = 0; lane < 4; ++lane) sum[lane] += 0.25F * numbers[lane];
      }
      places.word[quad] = largest.places();
      pack<T>(kAverage ? sum : largest.value, quad, pooled);
    }
    const int64_t to = int64_t{row} * grid.channels + place.channel;
    store_packed<T>(output, to, pooled);
    if (!kAverage && winners != nullptr) store_words(winners + to, places);
  }
}

// winners: null of means. Windows that are not whole pass nothing, which is written too, unless it is to be added.
template <typename T>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    pool_gradient_kernel(const void* output_gradient, const uint8_t* winners, void* input_gradient, bool add,
                         Windows windows, ChannelGrid grid) {
  const ChannelPlace place = channel_place<T>(grid);
  for (uint32_t row = first_row<1>(grid, place); row < grid.rows; row += row_step<1>(grid)) {
    const Window window = window_at(windows, row);
    if (add && !window.is_whole()) continue;
    Packed read{}, passed[4];
    PackedBytes<T> places{};
    const int64_t pooled = int64_t{window.pooled} * grid.channels + place.channel;
    if (window.is_whole()) read = load_packed<T>(output_gradient, pooled);
    if (window.is_whole() && winners != nullptr) places = load_bytes<T>(winners, pooled);
    if (add)
      load_window<T>(input_gradient, windows, window, grid.channels, place.channel, passed);
    else
      for (Packed& vector : passed) vector = {};
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      float gradient[4];
      unpack<T>(read, quad, gradient);
      for (int i = 0; i < 4; ++i) {
        float numbers[4];
        unpack<T>(passed[i], quad, numbers);
        for (int lane = 0; lane < 4; ++lane) {
          const bool is_winner = byte_of(places.word[quad], lane) == i;
          if (winners == nullptr) numbers[lane] += 0.25F * gradient[lane];
          if (winners != nullptr && is_winner) numbers[lane] += gradient[lane];
        }
        pack<T>(numbers, quad, passed[i]);
      }
    }
    for (int i = 0; i < 4; ++i)
      if (window.has(i))
        store_packed<T>(input_gradient, window_offset(windows, window, i, grid.channels) + place.channel, passed[i]);
  }
}

template <typename T>
void launch_pool(const LaunchContext& context, const Pooling& shape, const void* input, void* output,
                 uint8_t* winners) {
  const Windows windows(shape.input, false);
  if (windows.count == 0) return;
  const ChannelGrid grid = channel_grid<T>(windows.count, shape.input.channels, 1, context.multiprocessors);
  launch(grid.blocks(), dim3(kBlockThreads), 0, context.stream,
         shape.average ? pool_kernel<T, true> : pool_kernel<T, false>, input, output, winners, windows, grid);
}

template <typename T>
void launch_pool_gradient(const LaunchContext& context, const Pooling& shape, const void* output_gradient,
                          const uint8_t* winners, void* input_gradient, bool add) {
  const Windows windows(shape.input, true);
  if (windows.count == 0) return;
  const ChannelGrid grid = channel_grid<T>(windows.count, shape.input.channels, 1, context.multiprocessors);
  launch(grid.blocks(), dim3(kBlockThreads), 0, context.stream, pool_gradient_kernel<T>, output_gradient,
         shape.average ? nullptr : winners, input_gradient, add, windows, grid);
}

// ---- Activations between dense layers; the grid's rows are images, its channels units ----

// Which of four units dropout has kept: all, where there is none.
__device__ inline void load_kept(const ActivateRows& work, uint32_t image, int unit, bool (&kept)[4]) {
  if (work.kept == nullptr) {
    for (bool& is_kept : kept) is_kept = true;
    return;
  }
  const int64_t row = int64_t{image} + (work.first_kept != nullptr ? *work.first_kept : 0);
  const uint8_t* const from = work.kept + row * work.kept_stride + work.kept_offset + unit;
  for (int i = 0; i < 4; ++i) kept[i] = from[i] != 0;
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    activate_rows_kernel(ActivateRows work, ChannelGrid grid) {
  const ChannelPlace place = channel_place<T>(grid);
  const int64_t part_size = int64_t{work.images} * work.units;
  const float scale = work.kept != nullptr ? work.kept_scale : 1.0F;
  for (uint32_t row = first_row<1>(grid, place); row < grid.rows; row += row_step<1>(grid)) {
    const int64_t at = int64_t{row} * grid.channels + place.channel;
    const Packed rows = work.rows != nullptr ? load_packed<T>(work.rows, at) : Packed{};
    Packed packed;
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      float x[4];
      bool kept[4];
      unpack<T>(rows, quad, x);
      for (int i = 0; i < 4; ++i) x[i] += number_or(work.bias, place.channel + 4 * quad + i, 0.0F);
      load_kept(work, row, place.channel + 4 * quad, kept);
      for (int part = 0; part < work.part_count && work.parts != nullptr; ++part) {
        float summand[4];
        load_floats(work.parts + part * part_size + at + 4 * quad, summand);
        for (int i = 0; i < 4; ++i) x[i] += summand[i];
      }
      for (int i = 0; i < 4; ++i) {
        if (work.relu) x[i] = positive_part(x[i]);
        x[i] = kept[i] ? x[i] * scale : 0.0F;
      }
      pack<T>(x, quad, packed);
    }
    store_packed<T>(work.output, at, packed);
  }
}

// The output says what ReLU and dropout have let through.
template <typename T>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    activate_rows_gradient_kernel(ActivateRows work, void* gradient, float* bias_gradient, ChannelGrid grid,
                                  float* channel_parts) {
  const ChannelPlace place = channel_place<T>(grid);
  const float scale = work.kept != nullptr ? work.kept_scale : 1.0F;
  ThreadSums<T, 1> sums;
  for (uint32_t row = first_row<1>(grid, place); row < grid.rows; row += row_step<1>(grid)) {
    const int64_t at = int64_t{row} * grid.channels + place.channel;
    Packed packed = load_packed<T>(gradient, at);
    const Packed output = work.relu ? load_packed<T>(work.output, at) : Packed{};
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      float numbers[4], outputs[4];
      bool kept[4] = {};
      unpack<T>(packed, quad, numbers);
      unpack<T>(output, quad, outputs);
      if (!work.relu) load_kept(work, row, place.channel + 4 * quad, kept);
      for (int i = 0; i < 4; ++i) {
        const bool stops = work.relu ? outputs[i] <= 0 : !kept[i];
        numbers[i] = stops ? 0.0F : numbers[i] * scale;
        sums.of[0][quad][i] += numbers[i];
      }
      pack<T>(numbers, quad, packed);
    }
    store_packed<T>(gradient, at, packed);
  }
  if (bias_gradient == nullptr) return;
  sum_channels<T>(grid, sums, shared_memory<float>(), channel_parts,
                  [&](int, int unit, float total) { bias_gradient[unit] = total; });
}

template <typename T>
void launch_activate_rows(const LaunchContext& context, const ActivateRows& work) {
  if (work.images == 0) return;
  const ChannelGrid grid = channel_grid<T>(work.images, work.units, 1, context.multiprocessors);
  launch(grid.blocks(), dim3(kBlockThreads), 0, context.stream, activate_rows_kernel<T>, work, grid);
}

template <typename T>
void launch_activate_rows_gradient(const LaunchContext& context, const ActivateRows& work, void* gradient,
                                   float* bias_gradient) {
  if (work.images == 0 && bias_gradient == nullptr) return;
  const ChannelGrid grid = channel_grid<T>(work.images, work.units, 1, context.multiprocessors);
  launch(grid.blocks(), dim3(kBlockThreads), bias_gradient != nullptr ? kSumBytes<T, 1> : size_t{0}, context.stream,
         activate_rows_gradient_kernel<T>, work, gradient, bias_gradient, grid, context.channel_parts);
}

// ---- Values as they are ----

template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    pass_values_kernel(int64_t vectors, const void* from, void* to, bool add) {
  const int64_t step = int64_t{gridDim.x} * kBlockThreads;
  for (int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x; i < vectors; i += step) {
    Packed packed = load_packed<T>(from, i * kLanes<T>);
    if (add) {
      const Packed before = load_packed<T>(to, i * kLanes<T>);
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float numbers[4], summands[4];
        unpack<T>(before, quad, numbers);
        unpack<T>(packed, quad, summands);
        for (int lane = 0; lane < 4; ++lane) numbers[lane] += summands[lane];
        pack<T>(numbers, quad, packed);
      }
    }
    store_packed<T>(to, i * kLanes<T>, packed);
  }
}

// size: a multiple of 16.
template <typename T>
void launch_pass_values(const LaunchContext& context, int64_t size, const void* from, void* to, bool add) {
  if (size == 0) return;
  const int64_t vectors = size / kLanes<T>;
  const int64_t blocks = (vectors + kBlockThreads - 1) / kBlockThreads;
  const int64_t most = int64_t{context.multiprocessors} * 8;
  launch(dim3(static_cast<unsigned>(blocks < most ? blocks : most)), dim3(kBlockThreads), 0, context.stream,
         pass_values_kernel<T>, vectors, from, to, add);
}

}  // namespace fer_ddp::cuda
