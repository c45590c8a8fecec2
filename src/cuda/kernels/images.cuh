// From a split's bytes to the first convolution's output, and that convolution's weight gradient. One channel in and
// nine taps are too little for products of matrices: a thread keeps the weights of a vector of channels in registers
// and walks positions of an image that lies in shared memory, padding included.
#pragma once

#include "cuda/kernels/launch_context.h"
#include "cuda/kernels/product_panels.cuh"
#include "device_words.h"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

inline constexpr int kImageThreads = 256;
inline constexpr int kSide = 48;
inline constexpr int kPixels = kSide * kSide;

// The sum over a block's threads, for each of them; `partial` has room for one value a warp.
template <typename Number>
__device__ Number block_sum(Number value, Number* partial) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(0xffffffffU, value, lanes);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  if (threadIdx.x % 32 == 0) partial[warp] = value;
  __syncthreads();
  Number sum = 0;
  for (int i = 0; i < static_cast<int>(blockDim.x) / 32; ++i) sum += partial[i];
  return sum;
}

// gain and offset of pixel * gain + offset, from the sums of an image's bytes and of their squares, which are exact.
__device__ inline void standardizing_map(unsigned sum, unsigned squares, float& gain, float& offset) {
  const auto total = static_cast<long long>(sum);
  const auto spread = static_cast<float>(static_cast<long long>(squares) * kPixels - total * total);
  const float variance = spread / (static_cast<float>(kPixels) * (kPixels - 1) * 255.0F * 255.0F);
  const float mean = static_cast<float>(sum) / (255.0F * kPixels);
  const float scale = 1.0F / (sqrtf(variance) + static_cast<float>(kStandardizeOffset));
  gain = scale / 255.0F;
  offset = -mean * scale;
}

// A block an image.
static __global__ void gather_images(GatherImages work) {
  auto* partial = shared_memory<unsigned>();
  const int image = static_cast<int>(blockIdx.x);
  const int position = *work.first + image;
  const int row = work.order == nullptr ? position : work.order[position];
  const uint8_t* bytes = work.split_images + static_cast<size_t>(row) * kPixels;
  float gain = 1.0F / 255.0F;
  float offset = 0;
  if (work.scale == PixelScale::kStandardizeImage) {
    unsigned sum = 0;
    unsigned squares = 0;
    for (int i = static_cast<int>(threadIdx.x); i < kPixels; i += kImageThreads) {
      const unsigned pixel = bytes[i];
      sum += pixel;
      squares += pixel * pixel;
    }
    sum = block_sum(sum, partial);
    squares = block_sum(squares, partial + kImageThreads / 32);
    standardizing_map(sum, squares, gain, offset);
  }
  float* pixels = work.pixels + static_cast<size_t>(image) * kPixels;
  for (int i = static_cast<int>(threadIdx.x); i < kPixels; i += kImageThreads)
    pixels[i] = __fmaf_rn(static_cast<float>(bytes[i]), gain, offset);
  if (threadIdx.x == 0 && work.labels != nullptr) work.labels[image] = work.split_labels[row];
}

inline void launch_gather_images(const LaunchContext& context, const GatherImages& work) {
  if (work.images == 0) return;
  launch(dim3(static_cast<unsigned>(work.images)), dim3(kImageThreads), 2 * sizeof(unsigned) * kImageThreads / 32,
         context.stream, gather_images, work);
}

// Blocks an image is cut among, in strips of its rows, so that all multiprocessors have two.
inline int strips_of(const DeviceExtent& output, int multiprocessors) {
  constexpr int kMost = 8;
  const int wanted = (2 * multiprocessors + output.images - 1) / (output.images > 0 ? output.images : 1);
  return wanted < 1 ? 1 : (wanted > kMost ? kMost : wanted);
}

// A block's strip of an image, with the pixels around it that it reads: lines of `kLine` floats in shared memory.
struct Strip {
  static constexpr int kLine = kSide + 2;

  int image, first, last;  // rows of the output

  __device__ Strip(const DeviceExtent& output, int strips) {
    const int rows = (output.height + strips - 1) / strips;
    image = static_cast<int>(blockIdx.x) / strips;
    first = static_cast<int>(blockIdx.x) % strips * rows;
    last = first + rows < output.height ? first + rows : output.height;
  }
  __device__ void load(const float* pixels, int padding, float* lines) const {
    const float* own = pixels + static_cast<size_t>(image) * kPixels;
    const int count = last > first ? (last - first + 2) * kLine : 0;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += kImageThreads) {
      const int y = first + i / kLine - padding;
      const int x = i % kLine - padding;
      lines[i] = y >= 0 && y < kSide && x >= 0 && x < kSide ? own[y * kSide + x] : 0.0F;
    }
  }
};
inline int lines_of_strip(const DeviceExtent& output, int strips) { return (output.height + strips - 1) / strips + 2; }

// A thread's vector of channels, and the positions that it takes: every `at_once`-th.
template <typename T>
struct ChannelLane {
  int channel, lane, at_once;

  __device__ explicit ChannelLane(int channels) {
    const int groups = channels / kVectorSize<T>;
    channel = static_cast<int>(threadIdx.x) % groups * kVectorSize<T>;
    lane = static_cast<int>(threadIdx.x) / groups;
    at_once = kImageThreads / groups;
  }
  // Threads that are left over where the groups do not divide a block.
  [[nodiscard]] __device__ bool works() const { return lane < at_once; }
};

template <typename T>
__global__ void __launch_bounds__(kImageThreads) image_convolution(ImageConvolution work, int strips) {
  constexpr int kVector = kVectorSize<T>;
  auto* lines = shared_memory<float>();
  const Strip strip(work.output, strips);
  strip.load(work.pixels, work.padding, lines);
  const ChannelLane<T> own(work.output.channels);
  float weights[9][kVector];
#pragma unroll
  for (int tap = 0; tap < 9; ++tap)
#pragma unroll
    for (int c = 0; c < kVector; ++c) weights[tap][c] = work.weights[(own.channel + c) * 9 + tap];
  __syncthreads();
  const int width = work.output.width;
  const int positions = own.works() ? (strip.last - strip.first) * width : 0;
  T* output = static_cast<T*>(work.values) +
              (static_cast<size_t>(strip.image) * work.output.height + strip.first) * width * work.output.channels;
  for (int position = own.lane; position < positions; position += own.at_once) {
    const int y = position / width;
    const float* corner = lines + y * Strip::kLine + (position - y * width);
    float sums[kVector] = {};
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
      const float pixel = corner[tap / 3 * Strip::kLine + tap % 3];
#pragma unroll
      for (int c = 0; c < kVector; ++c) sums[c] = __fmaf_rn(pixel, weights[tap][c], sums[c]);
    }
    Vector<T> vector;
#pragma unroll
    for (int c = 0; c < kVector; ++c) vector.values[c] = from_float<T>(sums[c]);
    *reinterpret_cast<Vector<T>*>(output + static_cast<size_t>(position) * work.output.channels + own.channel) = vector;
  }
}

template <typename T>
void launch_image_convolution(const LaunchContext& context, const ImageConvolution& work) {
  if (work.output.images == 0) return;
  const int strips = strips_of(work.output, context.multiprocessors);
  launch(dim3(static_cast<unsigned>(work.output.images * strips)), dim3(kImageThreads),
         sizeof(float) * Strip::kLine * lines_of_strip(work.output, strips), context.stream, image_convolution<T>, work,
         strips);
}

// parts[block][tap][channel]: each block those of its strip.
template <typename T>
__global__ void __launch_bounds__(kImageThreads) image_convolution_gradient(ImageConvolutionGradient work, int strips) {
  constexpr int kVector = kVectorSize<T>;
  auto* lines = shared_memory<float>();
  const Strip strip(work.output, strips);
  strip.load(work.pixels, work.padding, lines);
  __syncthreads();
  const ChannelLane<T> own(work.output.channels);
  const int width = work.output.width;
  const int positions = own.works() ? (strip.last - strip.first) * width : 0;
  const T* gradient =
      static_cast<const T*>(work.gradient) +
      (static_cast<size_t>(strip.image) * work.output.height + strip.first) * width * work.output.channels;
  float sums[9][kVector] = {};
  for (int position = own.lane; position < positions; position += own.at_once) {
    const int y = position / width;
    const float* corner = lines + y * Strip::kLine + (position - y * width);
    const auto vector = *reinterpret_cast<const Vector<T>*>(
        gradient + static_cast<size_t>(position) * work.output.channels + own.channel);
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
      const float pixel = corner[tap / 3 * Strip::kLine + tap % 3];
#pragma unroll
      for (int c = 0; c < kVector; ++c) sums[tap][c] = __fmaf_rn(pixel, to_float(vector.values[c]), sums[tap][c]);
    }
  }
  // Over the lanes, a tap at a time.
  float* sheet = lines + Strip::kLine * ((work.output.height + strips - 1) / strips + 2);  // [lanes][channels]
  const int channels = work.output.channels;
  float* part = work.parts + static_cast<size_t>(blockIdx.x) * 9 * channels;
#pragma unroll
  for (int tap = 0; tap < 9; ++tap) {
    __syncthreads();
    if (own.works())
#pragma unroll
      for (int c = 0; c < kVector; ++c) sheet[own.lane * channels + own.channel + c] = sums[tap][c];
    __syncthreads();
    for (int c = static_cast<int>(threadIdx.x); c < channels; c += kImageThreads) {
      float sum = 0;
      for (int lane = 0; lane < own.at_once; ++lane) sum += sheet[lane * channels + c];
      part[tap * channels + c] = sum;
    }
  }
}

inline int image_gradient_parts(const LaunchContext& context, const DeviceExtent& output) {
  return output.images * strips_of(output, context.multiprocessors);
}

template <typename T>
void launch_image_convolution_gradient(const LaunchContext& context, const ImageConvolutionGradient& work) {
  if (work.output.images == 0) return;
  const int strips = strips_of(work.output, context.multiprocessors);
  const int lanes = kImageThreads / (work.output.channels / kVectorSize<T>);
  const size_t shared = sizeof(float) * (static_cast<size_t>(Strip::kLine) * lines_of_strip(work.output, strips) +
                                         static_cast<size_t>(lanes) * work.output.channels);
  launch(dim3(static_cast<unsigned>(image_gradient_parts(context, work.output))), dim3(kImageThreads), shared,
         context.stream, image_convolution_gradient<T>, work, strips);
}

}  // namespace fer_ddp::cuda
