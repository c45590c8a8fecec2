// Pooling of values that a reader sees through normalisation and ReLU (convolution_shape.h). Activations are fp32
// [image][height][width][channels], channels a multiple of 16. Thread-safe, no allocation.
#pragma once

#include "kernels/convolution_shape.h"

namespace fer_ddp {

struct PooledShape {
  int height = 0;  // before pooling
  int width = 0;
  int channels = 0;

  [[nodiscard]] constexpr int64_t positions() const { return int64_t{height} * width; }
  [[nodiscard]] constexpr int64_t pooled_positions() const { return int64_t{height / 2} * (width / 2); }
};

// 2 x 2 max-pooling with stride 2; odd last rows and columns are left out. Of each window writes the value z, not yet
// mapped, that a reader of z would see as the largest, and which of the four (row by row) it was; the first of equal
// ones, as PyTorch does. So what is written is read through the same map as z.
void max_pool(const PooledShape& shape, const MappedValues& z, int images, float* pooled, uint8_t* winners);

// The mean over a picture of what a reader sees: means [images][channels]. A picture's sum is taken in fp32, row by
// row.
void global_average_pool(const PooledShape& shape, const MappedValues& z, int images, float* means);

// Backwards: gradient [images][height][width][channels] of what a reader saw, from mean_gradient [images][channels].
// sums (null: not asked for, or z is not mapped) [2 * channels]: added to, of the gradients that ReLU lets through and
// of them times (z - mean).
void global_average_pool_gradient(const PooledShape& shape, const MappedValues& z, const float* mean_gradient,
                                  int images, const float* mean, float* gradient, double* sums);

}  // namespace fer_ddp
