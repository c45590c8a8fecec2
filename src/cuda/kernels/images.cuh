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

// A step's image: its bytes through this map, or its pixels.
class SourceImage {
 public:
  // partial: room for two words a warp. All threads of the block take part, and meet here.
  __device__ SourceImage(const ImageSource& source, int image, unsigned* partial) {
    if (source.pixels != nullptr) {
      pixels_ = source.pixels + static_cast<size_t>(image) * kPixels;
      return;
    }
    const int position = *source.first + image;
    const int row = source.order == nullptr ? position : source.order[position];
    bytes_ = source.split_images + static_cast<size_t>(row) * kPixels;
    if (source.scale == PixelScale::kUnit) return;
    unsigned sum = 0;
    unsigned squares = 0;
    for (int i = static_cast<int>(threadIdx.x); i < kPixels; i += static_cast<int>(blockDim.x)) {
      const unsigned pixel = bytes_[i];
      sum += pixel;
      squares += pixel * pixel;
    }
    __syncthreads();  // of an image before, partial sums may still be read
    sum = block_sum(sum, partial);
    squares = block_sum(squares, partial + blockDim.x / 32);
    standardizing_map(sum, squares, gain_, offset_);
  }
  [[nodiscard]] __device__ float at(int pixel) const {
    if (pixels_ != nullptr) return pixels_[pixel];
    return __fmaf_rn(static_cast<float>(bytes_[pixel]), gain_, offset_);
  }

 private:
  const float* pixels_ = nullptr;
  const uint8_t* bytes_ = nullptr;
  float gain_ = 1.0F / 255.0F;
  float offset_ = 0;
};

// Blocks an image is cut among, in strips of its rows, so that all multiprocessors have two.
inline int strips_of(const DeviceExtent& output, int multiprocessors) {
  constexpr int kMost = 8;
  const int wanted = (2 * multiprocessors + output.images - 1) / (output.images > 0 ? output.images : 1);
  return wanted < 1 ? 1 : (wanted > kMost ? kMost : wanted);
}

// A block's strip of an image, with the pixels around it that it reads: lines of `kLine` floats in shared memory.
struct Strip {
  static constexpr int kLine = kSide + 2;

  static constexpr int kPartialWords = 32;

  int image, first, last;  // rows of the output

  // rows: of the whole strips.
  __device__ Strip(const DeviceExtent& output, int strips, int rows, int number) {
    image = number / strips;
    first = number % strips * rows;
    last = first + rows < output.height ? first + rows : output.height;
  }
  // Shared memory: room for SourceImage's partial sums, then the lines, which are returned.
  __device__ float* load(const ImageSource& source, int padding, void* shared) const {
    const SourceImage own(source, image, static_cast<unsigned*>(shared));
    float* lines = static_cast<float*>(shared) + kPartialWords;
    const int count = last > first ? (last - first + 2) * kLine : 0;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
      const int y = first + i / kLine - padding;
      const int x = i % kLine - padding;
      lines[i] = y >= 0 && y < kSide && x >= 0 && x < kSide ? own.at(y * kSide + x) : 0.0F;
    }
    return lines;
  }
};
inline int rows_of_strip(const DeviceExtent& output, int strips) { return (output.height + strips - 1) / strips; }
// Floats of shared memory that Strip::load() takes.
inline int strip_floats(int rows) { return Strip::kPartialWords + Strip::kLine * (rows + 2); }

// A thread's vector of channels, and the positions that it takes: every `at_once`-th.
template <typename T>
struct ChannelLane {
  int channel, lane, at_once;

  __device__ explicit ChannelLane(int channels) {
    const int groups = channels / kLanes<T>;
    channel = static_cast<int>(threadIdx.x) % groups * kLanes<T>;
    lane = static_cast<int>(threadIdx.x) / groups;
    at_once = kImageThreads / groups;
  }
  // Threads that are left over where the groups do not divide a block.
  [[nodiscard]] __device__ bool works() const { return lane < at_once; }
};

template <typename T>
__global__ void __launch_bounds__(kImageThreads) image_convolution(ImageConvolution work, int strips, int rows) {
  constexpr int kVector = kLanes<T>;
  const Strip strip(work.output, strips, rows, static_cast<int>(blockIdx.x));
  const float* lines = strip.load(work.source, work.padding, shared_memory<float>());
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
  const int rows = rows_of_strip(work.output, strips);
  launch(dim3(static_cast<unsigned>(work.output.images * strips)), dim3(kImageThreads),
         sizeof(float) * strip_floats(rows), context.stream, image_convolution<T>, work, strips, rows);
}

// parts[block][tap][channel]: each block those of its strip.
template <typename T>
__global__ void __launch_bounds__(kImageThreads)
    image_convolution_gradient(ImageConvolutionGradient work, int strips, int rows, int strip_size) {
  constexpr int kVector = kLanes<T>;
  const Strip strip(work.output, strips, rows, static_cast<int>(blockIdx.x));
  const float* lines = strip.load(work.source, work.padding, shared_memory<float>());
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
  float* sheet = shared_memory<float>() + strip_size;  // [lanes][channels]
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
  const int rows = rows_of_strip(work.output, strips);
  const int lanes = kImageThreads / (work.output.channels / kLanes<T>);
  const size_t shared =
      sizeof(float) * (static_cast<size_t>(strip_floats(rows)) + static_cast<size_t>(lanes) * work.output.channels);
  launch(dim3(static_cast<unsigned>(image_gradient_parts(context, work.output))), dim3(kImageThreads), shared,
         context.stream, image_convolution_gradient<T>, work, strips, rows, strip_floats(rows));
}

}  // namespace fer_ddp::cuda
