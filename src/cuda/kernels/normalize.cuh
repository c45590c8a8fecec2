// y = pool(relu(map(z))) in one pass, with the sums that a normalisation of y asks for.
#pragma once

#include "cuda/kernels/channel_sums.cuh"
#include "cuda/kernels/windows.cuh"

namespace fer_ddp::cuda {

// Rows that a thread reads at once; sums leave registers for fewer.
template <bool kSums>
inline constexpr int kNormalizeRows = kSums ? 2 : 4;

// What a thread does to four numbers of z, and with those of y.
template <typename T, bool kSums>
class NormalizeThread {
 public:
  __device__ NormalizeThread(const Normalize& work, const ChannelGrid& grid, const ChannelPlace& place, float* shared)
      : work_(work), place_(place), constants_{shared} {
    const bool keep = blockIdx.x == 0;
    for_tile_channels(place, [&](int channel, int i) {
      const Affine affine = forward_affine(work.map, grid.channels, channel, keep);
      constants_.at(kScale, i) = affine.scale;
      constants_.at(kShift, i) = affine.shift;
      if (kSums) constants_.at(kCentre, i) = centre_of(work.output_map, channel);
    });
  }

  __device__ void map(const Packed& z, int quad, float (&numbers)[4]) const {
    float scale[4], shift[4];
    unpack<T>(z, quad, numbers);
    constants_.load(kScale, place_, quad, scale);
    constants_.load(kShift, place_, quad, shift);
    for (int i = 0; i < 4; ++i) {
      numbers[i] = __fmaf_rn(numbers[i], scale[i], shift[i]);
      if (work_.relu) numbers[i] = positive_part(numbers[i]);
    }
  }
  __device__ void take(float (&numbers)[4], int quad, Packed& y) {
    pack<T>(numbers, quad, y);
    if (!kSums) return;
    float centre[4];
    unpack<T>(y, quad, numbers);  // as they are read from now on
    constants_.load(kCentre, place_, quad, centre);
    add_centred(numbers, centre, quad, sums);
  }

  ThreadSums<T, 2> sums;

  static constexpr int kConstants = kSums ? 3 : 2;

 private:
  enum Constant { kScale, kShift, kCentre };

  const Normalize& work_;
  const ChannelPlace& place_;
  ChannelConstants<T> constants_;
};

template <typename T, bool kSums>
__device__ inline void write_output_sums(const Normalize& work, const ChannelGrid& grid,
                                         const NormalizeThread<T, kSums>& thread, float* shared, float* channel_parts) {
  if constexpr (kSums)
    sum_channels<T>(
        grid, thread.sums, shared + 3 * kConstantFloats<T>, channel_parts,
        [&](int which, int channel, float total) { work.output_sums[which * grid.channels + channel] = total; });
}

template <typename T, bool kSums>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    normalize_kernel(Normalize work, ChannelGrid grid, float* channel_parts) {
  constexpr int kAtOnce = kNormalizeRows<kSums>;
  auto* const shared = shared_memory<float>();
  const ChannelPlace place = channel_place<T>(grid);
  Packed z[kAtOnce];
  uint32_t row = first_row<kAtOnce>(grid, place);
  load_rows<T>(work.values, grid, place.channel, row, z);
  NormalizeThread<T, kSums> thread(work, grid, place, shared);
  while (row < grid.rows) {
    for (int i = 0; i < kAtOnce; ++i) {
      const uint32_t at = row + static_cast<uint32_t>(i * grid.block_rows);
      if (at >= grid.rows) break;
      Packed y;
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float numbers[4];
        thread.map(z[i], quad, numbers);
        thread.take(numbers, quad, y);
      }
      store_packed<T>(work.output, int64_t{at} * grid.channels + place.channel, y);
    }
    row += row_step<kAtOnce>(grid);
    load_rows<T>(work.values, grid, place.channel, row, z);
  }
  write_output_sums<T>(work, grid, thread, shared, channel_parts);
}

// The grid's rows are windows.
template <typename T, bool kSums>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    normalize_and_pool_kernel(Normalize work, Windows windows, ChannelGrid grid, float* channel_parts) {
  auto* const shared = shared_memory<float>();
  const ChannelPlace place = channel_place<T>(grid);
  Packed z[4] = {};
  uint32_t row = first_row<1>(grid, place);
  Window window{};
  const auto load = [&] {
    if (row >= grid.rows) return;
    window = window_at(windows, row);
    load_window<T>(work.values, windows, window, grid.channels, place.channel, z);
  };
  load();
  NormalizeThread<T, kSums> thread(work, grid, place, shared);
  while (row < grid.rows) {
    Packed y;
    PackedBytes<T> winners;
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      Largest largest;
      for (int i = 0; i < 4; ++i) {
        float numbers[4];
        thread.map(z[i], quad, numbers);
        largest.take(i, numbers);
      }
      winners.word[quad] = largest.places();
      thread.take(largest.value, quad, y);
    }
    const int64_t to = int64_t{row} * grid.channels + place.channel;
    store_packed<T>(work.output, to, y);
    if (work.winners != nullptr) store_words(work.winners + to, winners);
    row += row_step<1>(grid);
    load();
  }
  write_output_sums<T>(work, grid, thread, shared, channel_parts);
}

template <typename T, bool kSums>
void launch_normalize(const LaunchContext& context, const Normalize& work) {
  const Windows windows(work.input, false);
  const ChannelGrid grid = channel_grid<T>(work.pool ? windows.count : work.input.positions(), work.input.channels,
                                           work.pool ? 1 : kNormalizeRows<kSums>, context.multiprocessors);
  const size_t bytes = (kSums ? 3 : 2) * kConstantFloats<T> * sizeof(float) + (kSums ? kSumBytes<T, 2> : size_t{0});
  if (work.pool)
    launch(grid.blocks(), dim3(kBlockThreads), bytes, context.stream, normalize_and_pool_kernel<T, kSums>, work,
           windows, grid, context.channel_parts);
  else
    launch(grid.blocks(), dim3(kBlockThreads), bytes, context.stream, normalize_kernel<T, kSums>, work, grid,
           context.channel_parts);
}

template <typename T>
void launch_normalize(const LaunchContext& context, const Normalize& work) {
  if (work.output_sums != nullptr)
    launch_normalize<T, true>(context, work);
  else
    launch_normalize<T, false>(context, work);
}

}  // namespace fer_ddp::cuda
