// A dense layer over a block's pooled values, whose normalisation it applies on the way: z = x * scale + shift. Both
// passes work position by position of the picture, so that a position's weights stay in the cache for all images.
//
// Forward is a matrix product whose tiles stay in registers; a vector holds partial sums over channels, so that weights
// are read as they lie. Backward is sparse: ReLU and dropout leave about a quarter of the units' gradients, and the
// others are not multiplied by at all.
//
// Every sum is taken in an order of its own that depends neither on threads nor on how many images a call has. Over
// images, sums are taken within leaves (contiguous runs of images) and these are added pairwise, as a tree: ranks that
// each hold a subtree can go on adding and end with the same bits.
//
// Input [images][positions][channels], weights [positions][units][channels]. Thread-safe, no allocation; channels: 32
// or 64; units: a multiple of 4.
#pragma once

#include <cstdint>

#include "kernels/sparse_gradient.h"

namespace fer_ddp {

struct DenseShape {
  int positions = 0;
  int channels = 0;
  int units = 0;

  [[nodiscard]] constexpr int64_t input_size() const { return int64_t{positions} * channels; }
  [[nodiscard]] constexpr int64_t weights() const { return input_size() * units; }
};

// The layer sees value * scale + shift of each value, with a scale and a shift for each channel.
struct Normalization {
  const float* scale = nullptr;
  const float* shift = nullptr;
};

// Floats in the scratch of one call of each.
[[nodiscard]] int64_t dense_forward_scratch_size(const DenseShape& shape);
[[nodiscard]] int64_t dense_gradient_scratch_size(const DenseShape& shape, int images);

// output: [images][units], without the bias.
void dense_forward(const DenseShape& shape, const float* weights, const Normalization& normalization,
                   const float* input, int images, float* scratch, float* output);

// What dense_gradient writes for one position.
struct DenseGradient {
  float* input = nullptr;    // [images][positions][channels]: of z, at this position
  float* weights = nullptr;  // [units][channels], of this position
  double* sums = nullptr;    // [leaves][2 * channels]: of z's gradient, and of it times (x - centre)
};

// One position of the backward pass. `weights`: this position's [units][channels]; `input`: all positions.
void dense_gradient(const DenseShape& shape, int position, const float* weights, const Normalization& normalization,
                    const float* centre, const float* input, const SparseGradient& units, float* scratch,
                    const DenseGradient& gradient);

}  // namespace fer_ddp
