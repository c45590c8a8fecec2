// The convolution that reads the image with what may follow it in one pass: bias, ReLU, pool, and the sums that a
// normalisation behind asks for. Of 46 x 46 values a quarter is written, and none read again. Backwards only winners
// have a gradient: a thread adds up what its windows' winners saw.
//
// Blocks go from strip to strip of the images; a strip's pixels lie in shared memory, rows of windows at a time.
#pragma once

#include "cuda/kernels/channel_sums.cuh"
#include "cuda/kernels/images.cuh"
#include "cuda/kernels/windows.cuh"

namespace fer_ddp::cuda {

// How the work is shared: the grid's rows are the images' strips.
struct StripGrid {
  ChannelGrid grid;
  int strips = 1;  // of an image
  int rows = 0;    // of the convolution, in a strip: an even number
  int across = 0;  // windows
  int down = 0;
};

template <typename T>
StripGrid strip_grid(const LaunchContext& context, const DeviceExtent& output) {
  StripGrid shape;
  shape.down = output.height / 2;
  shape.across = output.width / 2;
  shape.strips = strips_of(output, context.multiprocessors);
  const int windows_down = (shape.down + shape.strips - 1) / shape.strips;
  shape.rows = 2 * windows_down;
  shape.grid = channel_grid<T>(int64_t{output.images} * shape.strips, output.channels, 1, context.multiprocessors);
  const int items = output.images * shape.strips;
  const int wave = context.multiprocessors / shape.grid.tiles;  // a block each
  shape.grid.parts = items < wave ? items : wave;
  if (shape.grid.parts < 1) shape.grid.parts = 1;
  return shape;
}

// visit(window in the pooled images, its pixels' corner) for each of a thread's windows of a strip.
template <typename Visit>
__device__ inline void for_windows(const StripGrid& shape, const ChannelPlace& place, const Strip& strip,
                                   const float* lines, const Visit& visit) {
  const int first = strip.first / 2;
  const int last = first + shape.rows / 2 < shape.down ? first + shape.rows / 2 : shape.down;
  const int windows = place.is_idle || last <= first ? 0 : (last - first) * shape.across;
  const int64_t of_image = int64_t{strip.image} * shape.down * shape.across + int64_t{first} * shape.across;
  for (int window = place.thread_row; window < windows; window += shape.grid.block_rows) {
    const int y = window / shape.across;
    visit(of_image + window, lines + 2 * y * Strip::kLine + 2 * (window - y * shape.across));
  }
}

// A tile's weights in shared memory, [9][channels of the tile], behind the biases.
template <typename T>
__device__ inline void load_tile_weights(const PooledImageConvolution& work, const ChannelPlace& place, float* tile) {
  constexpr int kPitch = kConstantFloats<T>;
  for (int i = static_cast<int>(threadIdx.x); i < 9 * kPitch; i += kBlockThreads) {
    const int tap = i / kPitch;
    const int channel = i - tap * kPitch;
    tile[i] =
        channel < place.tile_channels ? work.convolution.weights[(place.first_of_tile + channel) * 9 + tap] : 0.0F;
  }
}

// The four values of a window, of four channels.
__device__ inline void convolve_window(const float* corner, const float* weights, int pitch, float (&sums)[4][4]) {
  float pixels[4][4];
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) pixels[y][x] = corner[y * Strip::kLine + x];
#pragma unroll
  for (int tap = 0; tap < 9; ++tap) {
    float four[4];
    load_floats(weights + tap * pitch, four);
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int c = 0; c < 4; ++c) sums[i][c] = __fmaf_rn(pixels[i / 2 + tap / 3][i % 2 + tap % 3], four[c], sums[i][c]);
  }
}

template <typename T>
__global__ void __launch_bounds__(kBlockThreads, 1)
    pooled_image_convolution_kernel(PooledImageConvolution work, StripGrid shape, float* channel_parts) {
  enum { kBias, kCentre, kWeights };
  constexpr int kPitch = kConstantFloats<T>;
  const ImageConvolution& convolution = work.convolution;
  const ChannelGrid& grid = shape.grid;
  auto* const shared = shared_memory<float>();
  float* const strip_memory = shared + (kWeights + 9) * kPitch;
  const ChannelConstants<T> constants{shared};
  const ChannelPlace place = channel_place<T>(grid);
  load_tile_weights<T>(work, place, shared + kWeights * kPitch);
  for_tile_channels(place, [&](int channel, int i) {
    ChannelConstants<T> writable{shared};
    writable.at(kBias, i) = number_or(work.bias, channel, 0.0F);
    writable.at(kCentre, i) = work.output_sums != nullptr ? centre_of(work.output_map, channel) : 0.0F;
  });
  ThreadSums<T, 2> sums;
  for (auto number = blockIdx.x; number < grid.rows; number += static_cast<unsigned>(grid.parts)) {
    const Strip strip(convolution.output, shape.strips, shape.rows, static_cast<int>(number));
    __syncthreads();  // the strip before is no longer read
    const float* lines = strip.load(convolution.source, convolution.padding, strip_memory);
    __syncthreads();
    for_windows(shape, place, strip, lines, [&](int64_t window, const float* corner) {
      Packed y;
      PackedBytes<T> winners;
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        const int channel = place.vector * kLanes<T> + 4 * quad;
        float values[4][4] = {};
        convolve_window(corner, shared + kWeights * kPitch + channel, kPitch, values);
        float bias[4], centre[4];
        constants.load(kBias, place, quad, bias);
        constants.load(kCentre, place, quad, centre);
        Largest largest;
        for (int i = 0; i < 4; ++i) {
          for (int c = 0; c < 4; ++c) values[i][c] = positive_part(values[i][c] + bias[c]);
          largest.take(i, values[i]);
        }
        winners.word[quad] = largest.places();
        pack<T>(largest.value, quad, y);
        unpack<T>(y, quad, largest.value);  // a normalisation reads what is stored
        add_centred(largest.value, centre, quad, sums);
      }
      const int64_t to = window * grid.channels + place.channel;
      store_packed<T>(work.output, to, y);
      if (work.winners != nullptr) store_words(work.winners + to, winners);
    });
  }
  if (work.output_sums == nullptr) return;
  __syncthreads();  // the sums take the strip's place
  sum_channels<T>(grid, sums, strip_memory, channel_parts, [&](int which, int channel, float total) {
    work.output_sums[which * grid.channels + channel] = total;
  });
}

inline size_t larger_bytes(size_t a, size_t b) { return a > b ? a : b; }

template <typename T>
void launch_pooled_image_convolution(const LaunchContext& context, const PooledImageConvolution& work) {
  const StripGrid shape = strip_grid<T>(context, work.convolution.output);
  const size_t strip = sizeof(float) * static_cast<size_t>(strip_floats(shape.rows));
  const size_t bytes = sizeof(float) * 11 * kConstantFloats<T> + larger_bytes(strip, kSumBytes<T, 2>);
  launch(shape.grid.blocks(), dim3(kBlockThreads), bytes, context.stream, pooled_image_convolution_kernel<T>, work,
         shape, context.channel_parts);
}

// g' of a window's winner, of four channels.
template <typename T>
struct WindowGradient {
  enum Constant { kFromGradient, kFromValue, kConstant, kConstants };

  const PooledImageConvolutionGradient& work;
  const ChannelPlace& place;
  ChannelConstants<T> constants;

  __device__ void prepare(int channels) {
    for_tile_channels(place, [&](int channel, int i) {
      GradientTerms terms{};
      const NormalizedGradient& behind = work.behind;
      if (behind.values != nullptr) terms = gradient_terms(behind.map, behind.sums, behind.count, channels, channel);
      constants.at(kFromGradient, i) = terms.from_gradient;
      constants.at(kFromValue, i) = terms.from_value;
      constants.at(kConstant, i) = terms.constant;
    });
  }
  __device__ void of(const Packed& read, const Packed& pooled, int quad, float (&gradient)[4]) const {
    float y[4], from_gradient[4], from_value[4], constant[4];
    unpack<T>(read, quad, gradient);
    unpack<T>(pooled, quad, y);
    constants.load(kFromGradient, place, quad, from_gradient);
    constants.load(kFromValue, place, quad, from_value);
    constants.load(kConstant, place, quad, constant);
    for (int i = 0; i < 4; ++i) {
      gradient[i] = __fmaf_rn(gradient[i], from_gradient[i], __fmaf_rn(y[i], from_value[i], constant[i]));
      if (y[i] <= 0) gradient[i] = 0;
    }
  }
};

template <typename T>
__global__ void __launch_bounds__(kBlockThreads, 1)
    pooled_image_convolution_gradient_kernel(PooledImageConvolutionGradient work, StripGrid shape) {
  constexpr int kPitch = kConstantFloats<T>;
  const ChannelGrid& grid = shape.grid;
  auto* const shared = shared_memory<float>();
  float* const strip_memory = shared + WindowGradient<T>::kConstants * kPitch;
  const ChannelPlace place = channel_place<T>(grid);
  WindowGradient<T> gradient{work, place, {shared}};
  gradient.prepare(grid.channels);
  ThreadSums<T, 10> sums;  // of each tap, and of the bias
  for (auto number = blockIdx.x; number < grid.rows; number += static_cast<unsigned>(grid.parts)) {
    const Strip strip(work.output, shape.strips, shape.rows, static_cast<int>(number));
    __syncthreads();
    const float* lines = strip.load(work.source, work.padding, strip_memory);
    __syncthreads();
    for_windows(shape, place, strip, lines, [&](int64_t window, const float* corner) {
      const int64_t at = window * grid.channels + place.channel;
      const Packed read = load_packed<T>(work.gradient, at);
      const Packed pooled = load_packed<T>(work.pooled, at);
      const PackedBytes<T> winners = load_bytes<T>(work.winners, at);
#pragma unroll
      for (int quad = 0; quad < kQuads<T>; ++quad) {
        float four[4];
        gradient.of(read, pooled, quad, four);
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          const int place_in_window = byte_of(winners.word[quad], c);
          const float* seen = corner + place_in_window / 2 * Strip::kLine + place_in_window % 2;
#pragma unroll
          for (int tap = 0; tap < 9; ++tap)
            sums.of[tap][quad][c] = __fmaf_rn(four[c], seen[tap / 3 * Strip::kLine + tap % 3], sums.of[tap][quad][c]);
          sums.of[9][quad][c] += four[c];
        }
      }
    });
  }
  // Over the block's threads, a sum at a time.
  float* const part = work.parts + static_cast<int64_t>(blockIdx.x) * 10 * grid.channels;
#pragma unroll
  for (int i = 0; i < 10; ++i) {
    ThreadSums<T, 1> one;
    for (int quad = 0; quad < kQuads<T>; ++quad)
      for (int c = 0; c < 4; ++c) one.of[0][quad][c] = sums.of[i][quad][c];
    __syncthreads();
    sum_block<T>(grid, one, reinterpret_cast<Quad*>(strip_memory), [&](int column, const Quad& sum) {
      const int channel = channel_of_column<T>(grid, column);
      if (channel < grid.channels) store_words(part + i * grid.channels + channel, sum);
    });
  }
}

template <typename T>
int pooled_image_gradient_parts(const LaunchContext& context, const DeviceExtent& output) {
  return strip_grid<T>(context, output).grid.parts;
}

template <typename T>
void launch_pooled_image_convolution_gradient(const LaunchContext& context,
                                              const PooledImageConvolutionGradient& work) {
  const StripGrid shape = strip_grid<T>(context, work.output);
  const size_t strip = sizeof(float) * static_cast<size_t>(strip_floats(shape.rows));
  const size_t bytes =
      sizeof(float) * WindowGradient<T>::kConstants * kConstantFloats<T> + larger_bytes(strip, kSumBytes<T, 1>);
  launch(shape.grid.blocks(), dim3(kBlockThreads), bytes, context.stream, pooled_image_convolution_gradient_kernel<T>,
         work, shape);
}

}  // namespace fer_ddp::cuda
