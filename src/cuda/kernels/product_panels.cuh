// What a product of matrices reads: rows of one operand by depth, the dimension that is summed over, as 16-byte vectors
// of a convolution's images, gradients and weights, where they lie. Nothing is unfolded in memory.
//
//   forward          output[position][o]  = sum over (tap, i)    patch[position][tap, i]  * weights[o][tap, i]
//   input gradient   input'[position][i]  = sum over (tap, o)    patch'[position][tap, o] * weights[o][tap][i]
//   weight gradient  weights'[tap, i][o]  = sum over positions   patch[position][tap, i]  * output'[position][o]
//
// A panel is a plain value that a kernel takes; its Cursor is a thread's place in it. Vectors run along depth where the
// memory does (kDepthContiguous), else along the rows. Channels are multiples of 16, so that no vector crosses a tap.
#pragma once

#include "cuda/kernels/vectors.cuh"
#include "device_words.h"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

inline constexpr int kProductThreads = 256;
inline constexpr int kDepthBytes = 64;  // of a row in one step of the sum

template <typename T>
struct alignas(16) Vector {
  T values[kLanes<T>];
};
template <typename T>
inline constexpr int kDepthOfStep = kDepthBytes / static_cast<int>(sizeof(T));

// A place among the positions of images.
struct PositionIn {
  int image, y, x;
};
__device__ inline PositionIn position_in(int position, int height, int width) {
  const int row = position / width;
  return {row / height, row % height, position % width};
}

// The place of a tap's input for an output position, or of a tap's output for an input position.
template <bool kBackward>
struct TapWalk {
  int height, width;  // of what is read
  int stride, padding;

  [[nodiscard]] __device__ int start(int at) const { return kBackward ? at + padding : at * stride - padding; }
  // Where `start` and the tap's row or column lead; false: into the padding, or between the strides.
  [[nodiscard]] __device__ bool at(int start, int tap, int extent, int& place) const {
    if (!kBackward) {
      place = start + tap;
      return place >= 0 && place < extent;
    }
    const int reached = start - tap;
    place = stride == 1 ? reached : reached >> 1;
    return reached >= 0 && (stride == 1 || (reached & 1) == 0) && place < extent;
  }
};

// Row: a position of `rows`; depth: (tap, channel) of what it reads.
template <typename T, bool kBackward>
struct PatchRows {
  static constexpr bool kDepthContiguous = true;
  using Value = T;

  const T* values;
  TapWalk<kBackward> walk;
  int row_count, row_height, row_width;
  int channels, kernel;

  template <int kRows>
  class Cursor {
   public:
    static constexpr int kVectors = kRows * kDepthBytes / 16 / kProductThreads;

    __device__ Cursor(const PatchRows& panel, int first_row, int depth)
        : channel_(depth + static_cast<int>(threadIdx.x) % 4 * kLanes<T>), tap_(channel_ / panel.channels) {
      channel_ -= tap_ * panel.channels;
      for (int i = 0; i < kVectors; ++i) {
        const int row = first_row + static_cast<int>(threadIdx.x) / 4 + i * (kProductThreads / 4);
        is_row_[i] = row < panel.row_count;
        const PositionIn place = position_in(is_row_[i] ? row : 0, panel.row_height, panel.row_width);
        y_[i] = panel.walk.start(place.y);
        x_[i] = panel.walk.start(place.x);
        image_[i] =
            panel.values + static_cast<size_t>(place.image) * panel.walk.height * panel.walk.width * panel.channels;
      }
    }
    __device__ const T* address(const PatchRows& panel, int i, bool& there) const {
      const int tap_y = panel.kernel == 1 ? 0 : tap_ / 3;
      const int tap_x = panel.kernel == 1 ? 0 : tap_ - 3 * tap_y;
      int y = 0;
      int x = 0;
      there = is_row_[i] && tap_ < panel.kernel * panel.kernel && panel.walk.at(y_[i], tap_y, panel.walk.height, y) &&
              panel.walk.at(x_[i], tap_x, panel.walk.width, x);
      return there ? image_[i] + (y * panel.walk.width + x) * panel.channels + channel_ : panel.values;
    }
    __device__ void advance(const PatchRows& panel) {
      channel_ += kDepthOfStep<T>;
      while (channel_ >= panel.channels) {
        channel_ -= panel.channels;
        ++tap_;
      }
    }

   private:
    int channel_, tap_;
    int y_[kVectors], x_[kVectors];
    bool is_row_[kVectors];
    const T* image_[kVectors];
  };
};

// Row: an output channel; depth: (tap, input channel), as the weights lie.
template <typename T>
struct WeightRows {
  static constexpr bool kDepthContiguous = true;
  using Value = T;

  const T* weights;
  int row_count, depth;

  template <int kRows>
  class Cursor {
   public:
    static constexpr int kVectors = kRows * kDepthBytes / 16 / kProductThreads;

    __device__ Cursor(const WeightRows&, int first_row, int depth)
        : row_(first_row + static_cast<int>(threadIdx.x) / 4),
          depth_(depth + static_cast<int>(threadIdx.x) % 4 * kLanes<T>) {}
    __device__ const T* address(const WeightRows& panel, int i, bool& there) const {
      const int row = row_ + i * (kProductThreads / 4);
      there = row < panel.row_count && depth_ < panel.depth;
      return there ? panel.weights + static_cast<size_t>(row) * panel.depth + depth_ : panel.weights;
    }
    __device__ void advance(const WeightRows&) { depth_ += kDepthOfStep<T>; }

   private:
    int row_, depth_;
  };
};

// A thread's vectors where they run along the rows: all of one row group, several depths.
template <typename T, int kRows>
struct ColumnVectors {
  static constexpr int kGroups = kRows / kLanes<T>;                // vectors a depth
  static constexpr int kDepthsAtOnce = kProductThreads / kGroups;  // depths that all threads take at once
  static constexpr int kVectors = kDepthOfStep<T> / kDepthsAtOnce;
  static_assert(kVectors * kDepthsAtOnce == kDepthOfStep<T>);

  __device__ static int row() { return static_cast<int>(threadIdx.x) % kGroups * kLanes<T>; }
  __device__ static int depth(int i) { return static_cast<int>(threadIdx.x) / kGroups + i * kDepthsAtOnce; }
};

// Row: an input channel; depth: (tap, output channel).
template <typename T>
struct WeightColumns {
  static constexpr bool kDepthContiguous = false;
  using Value = T;

  const T* weights;
  int row_count, outputs, taps;

  template <int kRows>
  class Cursor {
   public:
    using Vectors = ColumnVectors<T, kRows>;
    static constexpr int kVectors = Vectors::kVectors;

    __device__ Cursor(const WeightColumns& panel, int first_row, int depth) : row_(first_row + Vectors::row()) {
      for (int i = 0; i < kVectors; ++i) {
        output_[i] = depth + Vectors::depth(i);
        tap_[i] = output_[i] / panel.outputs;
        output_[i] -= tap_[i] * panel.outputs;
      }
    }
    __device__ const T* address(const WeightColumns& panel, int i, bool& there) const {
      there = row_ < panel.row_count && tap_[i] < panel.taps;
      const size_t place = static_cast<size_t>(output_[i] * panel.taps + tap_[i]) * panel.row_count + row_;
      return there ? panel.weights + place : panel.weights;
    }
    __device__ void advance(const WeightColumns& panel) {
      for (int i = 0; i < kVectors; ++i) {
        output_[i] += kDepthOfStep<T>;
        while (output_[i] >= panel.outputs) {
          output_[i] -= panel.outputs;
          ++tap_[i];
        }
      }
    }

   private:
    int row_;
    int output_[kVectors], tap_[kVectors];
  };
};

// Row: (tap, input channel); depth: an output position.
template <typename T>
struct PatchColumns {
  static constexpr bool kDepthContiguous = false;
  using Value = T;

  const T* values;
  TapWalk<false> walk;
  int positions, position_height, position_width;
  int channels, kernel;

  template <int kRows>
  class Cursor {
   public:
    using Vectors = ColumnVectors<T, kRows>;
    static constexpr int kVectors = Vectors::kVectors;

    __device__ Cursor(const PatchColumns& panel, int first_row, int depth) {
      const int row = first_row + Vectors::row();
      const int tap = row / panel.channels;
      is_row_ = tap < panel.kernel * panel.kernel;
      channel_ = row - tap * panel.channels;
      tap_y_ = panel.kernel == 1 ? 0 : tap / 3;
      tap_x_ = panel.kernel == 1 ? 0 : tap - 3 * tap_y_;
      for (int i = 0; i < kVectors; ++i) {
        position_[i] = depth + Vectors::depth(i);
        place_[i] = position_in(position_[i], panel.position_height, panel.position_width);
      }
    }
    __device__ const T* address(const PatchColumns& panel, int i, bool& there) const {
      int y = 0;
      int x = 0;
      there = is_row_ && position_[i] < panel.positions &&
              panel.walk.at(panel.walk.start(place_[i].y), tap_y_, panel.walk.height, y) &&
              panel.walk.at(panel.walk.start(place_[i].x), tap_x_, panel.walk.width, x);
      const size_t row = static_cast<size_t>(place_[i].image) * panel.walk.height + y;
      return there ? panel.values + (row * panel.walk.width + x) * panel.channels + channel_ : panel.values;
    }
    __device__ void advance(const PatchColumns& panel) {
      for (int i = 0; i < kVectors; ++i) {
        position_[i] += kDepthOfStep<T>;
        place_[i].x += kDepthOfStep<T> % panel.position_width;
        place_[i].y += kDepthOfStep<T> / panel.position_width;
        if (place_[i].x >= panel.position_width) {
          place_[i].x -= panel.position_width;
          ++place_[i].y;
        }
        while (place_[i].y >= panel.position_height) {
          place_[i].y -= panel.position_height;
          ++place_[i].image;
        }
      }
    }

   private:
    bool is_row_;
    int channel_, tap_y_, tap_x_;
    int position_[kVectors];
    PositionIn place_[kVectors];
  };
};

// Row: an output channel; depth: an output position.
template <typename T>
struct GradientColumns {
  static constexpr bool kDepthContiguous = false;
  using Value = T;

  const T* gradient;
  int row_count, positions;

  template <int kRows>
  class Cursor {
   public:
    using Vectors = ColumnVectors<T, kRows>;
    static constexpr int kVectors = Vectors::kVectors;

    __device__ Cursor(const GradientColumns&, int first_row, int depth)
        : row_(first_row + Vectors::row()), depth_(depth) {}
    __device__ const T* address(const GradientColumns& panel, int i, bool& there) const {
      const int position = depth_ + Vectors::depth(i);
      there = row_ < panel.row_count && position < panel.positions;
      return there ? panel.gradient + static_cast<size_t>(position) * panel.row_count + row_ : panel.gradient;
    }
    __device__ void advance(const GradientColumns&) { depth_ += kDepthOfStep<T>; }

   private:
    int row_, depth_;
  };
};

}  // namespace fer_ddp::cuda
