// What readers do with values that they see through normalisation and ReLU (convolution_shape.h), as passes of their
// own, for layers whose kernels read plain values. Activations are fp32 [rows][channels], channels a multiple of 16.
// Thread-safe, no allocation; callers split over threads.
#pragma once

#include "kernels/pooling.h"

namespace fer_ddp {

// out = what a reader of `values` sees.
void apply_map(const MappedValues& values, int64_t rows, int channels, float* out);

// sums [2 * channels]: added to, of the gradients that ReLU lets through (all of them where values.scale is null), and
// of them times (value - mean). In fp32 over 32 rows, in fp64 across.
void add_live_sums(const MappedValues& values, const float* gradient, const float* mean, int64_t rows, int channels,
                   double* sums);

// dz of a MappedGradient that is not pooled; dz may be its `gradient`.
void mapped_gradient(const MappedGradient& gradient, int64_t rows, int channels, float* dz);

// Adds to `gradient` [images][height][width][channels] what max_pool's winners let through.
void add_max_pool_gradient(const PooledShape& shape, const float* pooled_gradient, const uint8_t* winners, int images,
                           float* gradient);

}  // namespace fer_ddp
