// How a kernel's threads share the rows of [rows][channels]: a block takes a tile of at most 128 bytes of channels and
// every so manieth row; a thread keeps one vector of channels and walks down the rows. A grid is one wave of blocks, as
// the shapes and the number of multiprocessors say, never empty.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "core/error.h"
#include "cuda/kernels/launch_context.h"
#include "cuda/kernels/vectors.cuh"

namespace fer_ddp::cuda {

constexpr int kBlockThreads = 384;  // two blocks leave a thread 80 registers: none has to go to memory
constexpr int kBlocksPerMultiprocessor = 2;
constexpr int kTileVectors = 8;       // 128 bytes, a line of the cache
constexpr int kMostChannels = 65536;  // that a network's table may have (network/table_reader.cpp)
constexpr int kMostTiles = kMostChannels * 4 / 128;

struct ChannelGrid {
  uint32_t rows = 0;
  int channels = 0;
  int tiles = 1;         // blockIdx.y
  int tile_vectors = 1;  // the last tile may have fewer
  int block_rows = 1;    // that a block has threads for
  int parts = 1;         // blockIdx.x

  [[nodiscard]] dim3 blocks() const { return {static_cast<unsigned>(parts), static_cast<unsigned>(tiles), 1}; }
};

// thread_rows: as many as a thread reads at once.
template <typename T>
ChannelGrid channel_grid(int64_t rows, int channels, int thread_rows, int multiprocessors) {
  if (rows > std::numeric_limits<int32_t>::max() || channels % 16 != 0 || channels > kMostChannels)
    throw machine_error(
        "a GPU kernel got " + std::to_string(rows) + " rows of " + std::to_string(channels) + " channels",
        "It takes less than 2^31 rows, of a multiple of 16 channels and at most 65536: use a smaller "
        "batch size.");
  ChannelGrid grid;
  grid.rows = static_cast<uint32_t>(rows);
  grid.channels = channels;
  const int vectors = channels / kLanes<T>;
  const int tiles = rounded_up_share(vectors, kTileVectors);
  grid.tile_vectors = rounded_up_share(vectors, tiles);
  grid.tiles = rounded_up_share(vectors, grid.tile_vectors);
  grid.block_rows = kBlockThreads / grid.tile_vectors;
  const int needed = rounded_up_share(rows, int64_t{grid.block_rows} * thread_rows);
  const int wave = kBlocksPerMultiprocessor * multiprocessors / grid.tiles;
  grid.parts = needed < wave ? needed : wave;
  if (grid.parts < 1) grid.parts = 1;
  return grid;
}

// A thread's place. One without a vector, or of a row of threads too many, has no rows.
struct ChannelPlace {
  int vector;         // in the tile
  int thread_row;     // in the block
  int first_of_tile;  // channel
  int channel;        // of the vector's first number
  int tile_channels;
  bool is_idle;
};

template <typename T>
__device__ inline int first_channel_of_tile(const ChannelGrid& grid) {
  return static_cast<int>(blockIdx.y) * grid.tile_vectors * kLanes<T>;
}

template <typename T>
__device__ inline ChannelPlace channel_place(const ChannelGrid& grid) {
  const int thread = static_cast<int>(threadIdx.x);
  ChannelPlace place{};
  place.thread_row = thread / grid.tile_vectors;
  place.vector = thread - place.thread_row * grid.tile_vectors;
  place.first_of_tile = first_channel_of_tile<T>(grid);
  place.channel = place.first_of_tile + place.vector * kLanes<T>;
  const int left = grid.channels - place.first_of_tile;
  place.tile_channels = left < grid.tile_vectors * kLanes<T> ? left : grid.tile_vectors * kLanes<T>;
  place.is_idle = place.thread_row >= grid.block_rows || place.channel >= grid.channels;
  return place;
}

// The rows of a thread, kAtOnce of them at a time: first(), then on by step() while below grid.rows, each with the
// kAtOnce - 1 that lie block_rows apart behind it.
template <int kAtOnce>
__device__ inline uint32_t first_row(const ChannelGrid& grid, const ChannelPlace& place) {
  if (place.is_idle) return grid.rows;
  return blockIdx.x * static_cast<uint32_t>(grid.block_rows * kAtOnce) + static_cast<uint32_t>(place.thread_row);
}
template <int kAtOnce>
__device__ inline uint32_t row_step(const ChannelGrid& grid) {
  return static_cast<uint32_t>(grid.parts * grid.block_rows * kAtOnce);
}

// The vectors of rows row, row + block_rows, ...; zeros behind the last.
template <typename T, int kAtOnce>
__device__ inline void load_rows(const void* values, const ChannelGrid& grid, int channel, uint32_t row,
                                 Packed (&vectors)[kAtOnce]) {
  for (int i = 0; i < kAtOnce; ++i) {
    const uint32_t at = row + static_cast<uint32_t>(i * grid.block_rows);
    vectors[i] = at < grid.rows ? load_packed<T>(values, int64_t{at} * grid.channels + channel) : Packed{};
  }
}

// A block's numbers by channel in shared memory: kind after kind, each of a tile's channels.
template <typename T>
struct ChannelConstants {
  static constexpr int kPitch = kTileVectors * kLanes<T>;
  float* numbers;

  __device__ float& at(int kind, int channel_in_tile) { return numbers[kind * kPitch + channel_in_tile]; }
  // Of a thread's vector.
  __device__ void load(int kind, const ChannelPlace& place, int quad, float (&four)[4]) const {
    load_floats(numbers + place.vector * kLanes<T> + (kind * kPitch + 4 * quad), four);
  }
};
template <typename T>
inline constexpr int kConstantFloats = ChannelConstants<T>::kPitch;  // of a kind

// calculate(channel, channel in the tile) for each of the tile's channels, by a thread each; then waits for all.
template <typename Calculate>
__device__ inline void for_tile_channels(const ChannelPlace& place, const Calculate& calculate) {
  for (int i = static_cast<int>(threadIdx.x); i < place.tile_channels; i += kBlockThreads)
    calculate(place.first_of_tile + i, i);
  __syncthreads();
}

}  // namespace fer_ddp::cuda
