// From the last convolutions to the dense layers: a row of values for each image, the mean of each channel or all of it
// as [channel][height][width], which is a transposition, through the map of a normalisation where one stands last; and
// backwards. A block takes an image and a tile of its channels. Without images one block is started for each tile,
// which leaves the statistics alone: a rank without images must not drift from the others.
#pragma once

#include "cuda/kernels/channel_sums.cuh"

namespace fer_ddp::cuda {

// Four numbers as T, at a multiple of their size.
template <typename T>
__device__ inline void store_four(T* to, const float (&numbers)[4]) {
  Packed packed;
  pack<T>(numbers, 0, packed);
  if constexpr (sizeof(T) == 4)
    store_words(to, packed);
  else
    store_words(to, Words<2>{{packed.word[0], packed.word[1]}});
}

// ---- Means ----

// The grid's rows are an image's positions, its parts the images.
template <typename T>
ChannelGrid image_grid(const DeviceExtent& input, int multiprocessors) {
  ChannelGrid grid = channel_grid<T>(int64_t{input.height} * input.width, input.channels, 1, multiprocessors);
  grid.parts = input.images;
  return grid;
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    channel_means_kernel(const void* input, T* rows, ChannelMap map, int images, ChannelGrid grid) {
  auto* const shared = shared_memory<float>();
  ChannelConstants<T> constants{shared};
  const ChannelPlace place = channel_place<T>(grid);
  const int64_t image = blockIdx.x;
  for_tile_channels(place, [&](int channel, int i) {
    const Affine affine = forward_affine(map, grid.channels, channel, image == 0);
    constants.at(0, i) = affine.scale;
    constants.at(1, i) = affine.shift;
  });
  if (image >= images) return;
  ThreadSums<T, 1> sums;
  for (uint32_t row = place.is_idle ? grid.rows : static_cast<uint32_t>(place.thread_row); row < grid.rows;
       row += static_cast<uint32_t>(grid.block_rows)) {
    const Packed read = load_packed<T>(input, (image * grid.rows + row) * grid.channels + place.channel);
    for (int quad = 0; quad < kQuads<T>; ++quad) {
      float numbers[4];
      unpack<T>(read, quad, numbers);
      for (int i = 0; i < 4; ++i) sums.of[0][quad][i] += numbers[i];
    }
  }
  const float share = 1.0F / static_cast<float>(grid.rows);
  auto* const quads = reinterpret_cast<Quad*>(shared + 2 * kConstantFloats<T>);
  sum_block<T>(grid, sums, quads, [&](int column, const Quad& sum) {
    const int channel = channel_of_column<T>(grid, column);
    if (channel >= grid.channels) return;
    float means[4];
    for (int i = 0; i < 4; ++i) {
      const int in_tile = channel + i - place.first_of_tile;
      means[i] = __fmaf_rn(__uint_as_float(sum.word[i]) * share, constants.at(0, in_tile), constants.at(1, in_tile));
    }
    store_four(rows + image * grid.channels + channel, means);
  });
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    channel_means_gradient_kernel(const void* row_gradient, void* input_gradient, ChannelGrid grid) {
  const ChannelPlace place = channel_place<T>(grid);
  if (place.is_idle) return;
  const int64_t image = blockIdx.x;
  Packed value = load_packed<T>(row_gradient, image * grid.channels + place.channel);
  const float share = 1.0F / static_cast<float>(grid.rows);
  for (int quad = 0; quad < kQuads<T>; ++quad) {
    float numbers[4];
    unpack<T>(value, quad, numbers);
    for (float& number : numbers) number *= share;
    pack<T>(numbers, quad, value);
  }
  for (auto row = static_cast<uint32_t>(place.thread_row); row < grid.rows;
       row += static_cast<uint32_t>(grid.block_rows))
    store_packed<T>(input_gradient, (image * grid.rows + row) * grid.channels + place.channel, value);
}

// ---- Transpositions ----

constexpr int kTransposeThreads = 256;
constexpr int kMostSharedBytes = 48 << 10;
constexpr int kMapBytes = 2 * 4 * kTileVectors * 8;  // a scale and a shift for each channel of a tile

struct Transposition {
  int positions = 0;
  int channels = 0;
  int tile_vectors = 0;
  int pitch = 0;  // of a channel in shared memory: odd, so that neighbours fall on other banks
  Divisor per_channel;
};

template <typename T>
struct BitsOf {
  using Type = uint32_t;
};
template <>
struct BitsOf<Bf16> {
  using Type = uint16_t;
};

// A block's part of both sides, and its copy in shared memory as [channel][position].
template <typename T>
class TransposedTile {
 public:
  __device__ explicit TransposedTile(const Transposition& shape)
      : shape_(shape),
        bits_(shared_memory<Bits>()),
        first_(static_cast<int>(blockIdx.y) * shape.tile_vectors * kLanes<T>) {
    const int left = shape.channels - first_;
    channels_ = left < shape.tile_vectors * kLanes<T> ? left : shape.tile_vectors * kLanes<T>;
  }

  // act(offset of a vector in [position][channel], its first number's place in shared memory, its channel in the tile).
  template <typename Act>
  __device__ void for_vectors(const Act& act) const {
    const auto vectors = static_cast<unsigned>(channels_ / kLanes<T>);
    const int64_t image = int64_t{blockIdx.x} * shape_.positions * shape_.channels + first_;
    for (unsigned i = threadIdx.x; i < static_cast<unsigned>(shape_.positions) * vectors; i += kTransposeThreads) {
      const unsigned position = i / vectors;
      const unsigned channel = (i - position * vectors) * kLanes<T>;
      act(image + int64_t{position} * shape_.channels + channel, channel * shape_.pitch + position, channel);
    }
  }
  // act(offset of a word in [channel][position], where its numbers are in shared memory).
  template <typename Act>
  __device__ void for_words(const Act& act) const {
    const int64_t image = (int64_t{blockIdx.x} * shape_.channels + first_) * shape_.positions;
    const int words = channels_ * shape_.positions / kPerWord;
    for (int i = static_cast<int>(threadIdx.x); i < words; i += kTransposeThreads) {
      unsigned at[kPerWord];
      for (int j = 0; j < kPerWord; ++j) {
        const auto number = static_cast<uint32_t>(i * kPerWord + j);
        const uint32_t channel = shape_.per_channel.quotient(number);
        at[j] = channel * static_cast<uint32_t>(shape_.pitch) + shape_.per_channel.remainder(number, channel);
      }
      act(image + i * kPerWord, at);
    }
  }

  // Number `lane` of a vector.
  __device__ static uint32_t lane_of(const Packed& packed, int lane) {
    return packed.word[lane / kPerWord] >> (lane % kPerWord * 16) & kMask;
  }
  static constexpr int kPerWord = 4 / static_cast<int>(sizeof(T));
  static constexpr uint32_t kMask = kPerWord == 1 ? 0xffffffffU : 0xffffU;
  using Bits = typename BitsOf<T>::Type;
  __device__ Bits& bits(unsigned at) const { return bits_[at]; }
  [[nodiscard]] __device__ int pitch() const { return shape_.pitch; }
  [[nodiscard]] __device__ int first() const { return first_; }  // channel
  [[nodiscard]] __device__ int channels() const { return channels_; }
  // Shared memory behind the copy: two floats for each of a tile's channels.
  [[nodiscard]] __device__ float* behind() const {
    return reinterpret_cast<float*>(bits_ + shape_.tile_vectors * kLanes<T> * shape_.pitch);
  }

 private:
  const Transposition& shape_;
  Bits* bits_;
  int first_;
  int channels_;
};

template <typename T>
__global__ void __launch_bounds__(kTransposeThreads)
    flatten_kernel(const void* input, void* rows, ChannelMap map, int images, Transposition shape) {
  using Tile = TransposedTile<T>;
  const Tile tile(shape);
  float* const scales = tile.behind();
  float* const shifts = scales + tile.channels();
  for (int i = static_cast<int>(threadIdx.x); i < tile.channels(); i += kTransposeThreads) {
    const Affine affine = forward_affine(map, shape.channels, tile.first() + i, blockIdx.x == 0);
    scales[i] = affine.scale;
    shifts[i] = affine.shift;
  }
  if (static_cast<int>(blockIdx.x) >= images) return;
  __syncthreads();
  tile.for_vectors([&](int64_t from, unsigned at, unsigned channel) {
    Packed read = load_packed<T>(input, from);
    for (int quad = 0; quad < kQuads<T> && map.kind != ChannelMap::Kind::kIdentity; ++quad) {
      float numbers[4];
      unpack<T>(read, quad, numbers);
      for (int i = 0; i < 4; ++i) {
        const int own = static_cast<int>(channel) + 4 * quad + i;
        numbers[i] = __fmaf_rn(numbers[i], scales[own], shifts[own]);
      }
      pack<T>(numbers, quad, read);
    }
    for (int lane = 0; lane < kLanes<T>; ++lane)
      tile.bits(at + static_cast<unsigned>(lane * tile.pitch())) =
          static_cast<typename Tile::Bits>(Tile::lane_of(read, lane));
  });
  __syncthreads();
  tile.for_words([&](int64_t to, const unsigned(&at)[Tile::kPerWord]) {
    Words<1> word{};
    for (int j = 0; j < Tile::kPerWord; ++j) word.word[0] |= static_cast<uint32_t>(tile.bits(at[j])) << (16 * j);
    store_words(static_cast<T*>(rows) + to, word);
  });
}

template <typename T>
__global__ void __launch_bounds__(kTransposeThreads)
    flatten_gradient_kernel(const void* row_gradient, void* input_gradient, Transposition shape) {
  using Tile = TransposedTile<T>;
  const Tile tile(shape);
  tile.for_words([&](int64_t from, const unsigned(&at)[Tile::kPerWord]) {
    const uint32_t word = load_words<1>(static_cast<const T*>(row_gradient) + from).word[0];
    for (int j = 0; j < Tile::kPerWord; ++j)
      tile.bits(at[j]) = static_cast<typename Tile::Bits>(word >> (16 * j) & Tile::kMask);
  });
  __syncthreads();
  tile.for_vectors([&](int64_t to, unsigned at, unsigned) {
    Packed packed{};
    for (int lane = 0; lane < kLanes<T>; ++lane)
      packed.word[lane / Tile::kPerWord] |=
          static_cast<uint32_t>(tile.bits(at + static_cast<unsigned>(lane * tile.pitch())))
          << (lane % Tile::kPerWord * 16);
    store_packed<T>(input_gradient, to, packed);
  });
}

template <typename T>
Transposition transposition_of(const DeviceExtent& input) {
  Transposition shape;
  shape.positions = input.height * input.width;
  shape.channels = input.channels;
  shape.pitch = shape.positions | 1;
  shape.per_channel = Divisor(shape.positions);
  const int most = (kMostSharedBytes - kMapBytes) / (16 * shape.pitch);
  if (most == 0)
    throw machine_error("a GPU kernel got images of " + std::to_string(shape.positions) + " positions to flatten",
                        "It takes at most 3039: let the network pool before its dense layers.");
  const int vectors = input.channels / kLanes<T>;
  shape.tile_vectors = most < kTileVectors ? most : kTileVectors;
  if (shape.tile_vectors > vectors) shape.tile_vectors = vectors;
  return shape;
}
template <typename T>
dim3 transposition_blocks(const DeviceExtent& input, const Transposition& shape) {
  const int tiles = rounded_up_share(input.channels / kLanes<T>, shape.tile_vectors);
  return {static_cast<unsigned>(input.images), static_cast<unsigned>(tiles), 1};
}
inline size_t transposition_bytes(const Transposition& shape) {
  return size_t{16} * static_cast<size_t>(shape.tile_vectors * shape.pitch);
}
template <typename T>
size_t map_bytes(const Transposition& shape) {
  return 2 * sizeof(float) * static_cast<size_t>(shape.tile_vectors * kLanes<T>);
}

// ---- Both ----

template <typename T>
void launch_features(const LaunchContext& context, const Features& work, const void* input, void* rows) {
  const int images = work.input.images;
  if (images == 0 && !normalizes(work.map)) return;
  DeviceExtent started = work.input;
  started.images = images > 0 ? images : 1;
  if (work.average) {
    const ChannelGrid grid = image_grid<T>(started, context.multiprocessors);
    launch(grid.blocks(), dim3(kBlockThreads), 2 * kConstantFloats<T> * sizeof(float) + kSumBytes<T, 1>, context.stream,
           channel_means_kernel<T>, input, static_cast<T*>(rows), work.map, images, grid);
    return;
  }
  const auto shape = transposition_of<T>(started);
  launch(transposition_blocks<T>(started, shape), dim3(kTransposeThreads),
         transposition_bytes(shape) + map_bytes<T>(shape), context.stream, flatten_kernel<T>, input, rows, work.map,
         images, shape);
}

template <typename T>
void launch_features_gradient(const LaunchContext& context, const Features& work, const void* row_gradient,
                              void* input_gradient) {
  if (work.input.images == 0) return;
  if (work.average) {
    const ChannelGrid grid = image_grid<T>(work.input, context.multiprocessors);
    launch(grid.blocks(), dim3(kBlockThreads), 0, context.stream, channel_means_gradient_kernel<T>, row_gradient,
           input_gradient, grid);
    return;
  }
  const auto shape = transposition_of<T>(work.input);
  launch(transposition_blocks<T>(work.input, shape), dim3(kTransposeThreads), transposition_bytes(shape),
         context.stream, flatten_gradient_kernel<T>, row_gradient, input_gradient, shape);
}

}  // namespace fer_ddp::cuda
