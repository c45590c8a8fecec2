// Sums by channel over a whole grid, in an order that the shapes alone decide: a thread adds up its rows, a block its
// threads, and the last block of a tile to finish, which a counter tells, all blocks' sums. No sum is long: in place of
// one addition after another they are a tree of the depth of threads, slices, blocks.
#pragma once

#include "cuda/kernels/channel_grid.cuh"
#include "cuda/kernels/channel_map.cuh"

namespace fer_ddp::cuda {

// Four sums of neighbouring channels.
using Quad = Words<4>;

__device__ inline void add_quad(Quad& sum, const Quad& quad) {
  for (int i = 0; i < 4; ++i)
    sum.word[i] = __float_as_uint(__uint_as_float(sum.word[i]) + __uint_as_float(quad.word[i]));
}

// take(column, sum of quads[offset_of(column) + row * stride] over the rows), by a thread for each of at most
// kBlockThreads columns. scratch: a quad for each thread. All threads of the block take part.
template <typename OffsetOf, typename Take>
__device__ inline void sum_quads(const Quad* quads, int rows, int stride, int columns, Quad* scratch,
                                 const OffsetOf& offset_of, const Take& take) {
  constexpr int kAtOnce = 8;  // that are read at once: the way to memory is long
  const auto thread = static_cast<int>(threadIdx.x);
  const int slices = kBlockThreads / columns;
  const int slice_rows = (rows + slices - 1) / slices;
  const int slice = thread / columns;
  if (slice < slices) {
    const Quad* from = quads + offset_of(thread - slice * columns);
    const int end = (slice + 1) * slice_rows < rows ? (slice + 1) * slice_rows : rows;
    Quad sum{};
    for (int row = slice * slice_rows; row < end; row += kAtOnce) {
      Quad read[kAtOnce];
      for (int j = 0; j < kAtOnce; ++j)
        read[j] = row + j < end ? load_words<4>(from + static_cast<int64_t>(row + j) * stride) : Quad{};
      for (int j = 0; j < kAtOnce; ++j) add_quad(sum, read[j]);
    }
    scratch[thread] = sum;
  }
  __syncthreads();
  if (thread >= columns) return;
  Quad sum{};
  for (int i = 0; i < slices; ++i) add_quad(sum, scratch[i * columns + thread]);
  take(thread, sum);
}

// Whether this block is the last of its tile; then what the others have written can be read. flag: in shared memory.
__device__ inline bool is_last_block(unsigned* counter, unsigned blocks, unsigned* flag) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    *flag = atomicAdd(counter, 1U) + 1 == blocks ? 1U : 0U;
    if (*flag != 0) *counter = 0;
  }
  __syncthreads();
  if (*flag == 0) return false;
  __threadfence();
  return true;
}

// A thread's sums of its vector of channels.
template <typename T, int kSums>
struct ThreadSums {
  float of[kSums][kQuads<T>][4] = {};
};

template <typename T, int kSums>
inline constexpr int kSumQuads = kSums* kQuads<T>;

// Shared memory of sum_channels(): the threads' sums, scratch, and a flag.
template <typename T, int kSums>
inline constexpr size_t kSumBytes = sizeof(Quad) *
                                    static_cast<size_t>(kSumQuads<T, kSums>* kBlockThreads + kBlockThreads + 1);

// Columns of a tile's sums are [sum][quad of the vector][vector]. The first of a column's four channels:
template <typename T>
__device__ inline int channel_of_column(const ChannelGrid& grid, int column) {
  const int quad = column / grid.tile_vectors;
  return first_channel_of_tile<T>(grid) + (column - quad * grid.tile_vectors) * kLanes<T> + quad % kQuads<T> * 4;
}

// take(column, sum of all threads' `own`), by a thread for each column. shared: kSumBytes.
template <typename T, int kSums, typename Take>
__device__ inline void sum_block(const ChannelGrid& grid, const ThreadSums<T, kSums>& own, Quad* shared,
                                 const Take& take) {
  constexpr int kQuadsOfAll = kSumQuads<T, kSums>;
  for (int i = 0; i < kQuadsOfAll; ++i) {
    Quad quad;
    for (int j = 0; j < 4; ++j) quad.word[j] = __float_as_uint(own.of[i / kQuads<T>][i % kQuads<T>][j]);
    shared[i * kBlockThreads + static_cast<int>(threadIdx.x)] = quad;  // [quad][thread]: neighbours side by side
  }
  __syncthreads();
  const auto offset_of = [&](int column) {
    const int quad = column / grid.tile_vectors;
    return quad * kBlockThreads + column - quad * grid.tile_vectors;
  };
  sum_quads(shared, grid.block_rows, grid.tile_vectors, kQuadsOfAll * grid.tile_vectors,
            shared + kQuadsOfAll * kBlockThreads, offset_of, take);
}

// Calls finish(which sum, channel, total), by one thread of the grid for each, once all blocks' `own` are added up. All
// threads of all blocks take part, idle ones with zeros. shared: kSumBytes, at a multiple of 16.
template <typename T, int kSums, typename Finish>
__device__ inline void sum_channels(const ChannelGrid& grid, const ThreadSums<T, kSums>& own, void* shared,
                                    float* channel_parts, const Finish& finish) {
  const int columns = kSumQuads<T, kSums> * grid.tile_vectors;
  auto* const quads = static_cast<Quad*>(shared);
  Quad* const scratch = quads + kSumQuads<T, kSums> * kBlockThreads;
  auto* const parts =
      reinterpret_cast<Quad*>(channel_parts + kMostTiles) + static_cast<int64_t>(blockIdx.y) * grid.parts * columns;
  sum_block<T>(grid, own, quads, [&](int column, const Quad& sum) {
    store_words(parts + static_cast<int64_t>(blockIdx.x) * columns + column, sum);
  });
  auto* const counters = reinterpret_cast<unsigned*>(channel_parts);
  if (!is_last_block(counters + blockIdx.y, static_cast<unsigned>(grid.parts), scratch[kBlockThreads].word)) return;
  sum_quads(
      parts, grid.parts, columns, columns, scratch, [](int column) { return column; },
      [&](int column, const Quad& sum) {
        const int channel = channel_of_column<T>(grid, column);
        if (channel >= grid.channels) return;
        for (int j = 0; j < 4; ++j)
          finish(column / (kQuads<T> * grid.tile_vectors), channel + j, __uint_as_float(sum.word[j]));
      });
}

template <typename T>
int64_t sum_parts_of(int64_t rows, int channels, int multiprocessors) {
  const ChannelGrid grid = channel_grid<T>(rows, channels, 1, multiprocessors);
  return int64_t{grid.parts} * grid.tiles * grid.tile_vectors * kSumQuads<T, 2> * 4;
}
// Floats of LaunchContext::channel_parts, for sums over all calls' values or rows of this extent, in either type.
inline int64_t channel_sum_parts(const DeviceExtent& extent, int multiprocessors) {
  const int64_t of_floats = sum_parts_of<float>(extent.positions(), extent.channels, multiprocessors);
  const int64_t of_bf16 = sum_parts_of<Bf16>(extent.positions(), extent.channels, multiprocessors);
  return kMostTiles + (of_floats > of_bf16 ? of_floats : of_bf16);
}

// Values, less the centre, and their squares.
template <typename T>
__device__ inline void add_centred(const float (&values)[4], const float (&centre)[4], int quad,
                                   ThreadSums<T, 2>& sums) {
  for (int i = 0; i < 4; ++i) {
    const float distance = values[i] - centre[i];
    sums.of[0][quad][i] += distance;
    sums.of[1][quad][i] = __fmaf_rn(distance, distance, sums.of[1][quad][i]);
  }
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads, kBlocksPerMultiprocessor)
    channel_sums_kernel(ChannelSums work, ChannelGrid grid, float* channel_parts) {
  constexpr int kAtOnce = 4;
  auto* const shared = shared_memory<float>();
  ChannelConstants<T> constants{shared};
  const ChannelPlace place = channel_place<T>(grid);
  Packed values[kAtOnce];
  uint32_t row = first_row<kAtOnce>(grid, place);
  load_rows<T>(work.values, grid, place.channel, row, values);
  for_tile_channels(place, [&](int channel, int i) { constants.at(0, i) = centre_of(work.map, channel); });
  ThreadSums<T, 2> sums;
  while (row < grid.rows) {
    for (int i = 0; i < kAtOnce; ++i) {
      if (row + static_cast<uint32_t>(i * grid.block_rows) >= grid.rows) break;
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float numbers[4], centre[4];
        unpack<T>(values[i], quad, numbers);
        constants.load(0, place, quad, centre);
        add_centred(numbers, centre, quad, sums);
      }
    }
    row += row_step<kAtOnce>(grid);
    load_rows<T>(work.values, grid, place.channel, row, values);
  }
  sum_channels<T>(grid, sums, shared + kConstantFloats<T>, channel_parts,
                  [&](int which, int channel, float total) { work.sums[which * grid.channels + channel] = total; });
}

template <typename T>
void launch_channel_sums(const LaunchContext& context, const ChannelSums& work) {
  const ChannelGrid grid = channel_grid<T>(work.extent.positions(), work.extent.channels, 4, context.multiprocessors);
  const size_t bytes = kConstantFloats<T> * sizeof(float) + kSumBytes<T, 2>;
  launch(grid.blocks(), dim3(kBlockThreads), bytes, context.stream, channel_sums_kernel<T>, work, grid,
         context.channel_parts);
}

}  // namespace fer_ddp::cuda
