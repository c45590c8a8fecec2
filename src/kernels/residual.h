// The end of a residual block: out = max(0, z * scale + shift + shortcut), where z are the outputs of the block's last
// convolution, and the shortcut is another branch's values, mapped by channel in the same way but without ReLU, or read
// as they are. And what stands on the shortcut: 2 x 2 average pooling. Activations are fp32 [rows][channels], channels
// a multiple of 16. Thread-safe, no allocation; callers split over threads.
#pragma once

#include "kernels/pooling.h"

namespace fer_ddp {

// A branch: values * scale + shift by channel, or the values where scale is null.
struct Branch {
  const float* values = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
};

// `with_relu` applies ReLU to the shortcut too (one that is read through a normalisation and ReLU: MappedValues).
void add_residual(const Branch& body, const Branch& shortcut, bool with_relu, int64_t rows, int channels, float* out);

// What a branch's normalisation asks for; sums [2 * channels] are added to: of the gradients, and of them times
// (value - mean). Null sums: not asked for.
struct BranchSums {
  const float* values = nullptr;
  const float* mean = nullptr;
  double* sums = nullptr;
};

// gradient: of out in, of what ReLU was applied to out (both branches' gradient). Sums are taken in fp32 over 32 rows,
// in fp64 across.
void residual_gradient(const float* out, int64_t rows, int channels, float* gradient, const BranchSums& body,
                       const BranchSums& shortcut);

// dz = gradient * from_gradient + z * from_value + constant, by channel; dz may be `gradient` itself.
void normalization_gradient_of_branch(const float* gradient, const float* z, const float* from_gradient,
                                      const float* from_value, const float* constant, int64_t rows, int channels,
                                      float* dz);

// Means of 2 x 2 windows; odd last rows and columns are left out. And backwards: adds to the input's gradient.
void average_pool(const PooledShape& shape, const float* values, int images, float* pooled);
void add_average_pool_gradient(const PooledShape& shape, const float* pooled_gradient, int images, float* gradient);

}  // namespace fer_ddp
