#include "kernels/dense_layer.h"

#include <algorithm>
#include <stdexcept>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense_layer.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// Images and positions whose values lie in the second-level cache while the weights pass by once.
inline constexpr int kImagesAtOnce = 64;
inline constexpr int kPositionsAtOnce = 20;
inline constexpr int kTileImages = kManyRegisters ? 6 : 2;  // a tile's sums stay in registers
inline constexpr int kTileUnits = 4;

// to[0 .. 4) += the sums of the lanes of four vectors.
HWY_INLINE void add_lane_sums(const Floats* sums, float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < kTileUnits; ++i) to[i] += hn::GetLane(sums[i]);
#else
  const FloatTag floats;
  const hn::CappedTag<float, 4> four;
  // Within each block of four lanes: the sums of all four vectors, one a lane.
  const Floats even =
      hn::Add(hn::InterleaveLower(floats, sums[0], sums[2]), hn::InterleaveUpper(floats, sums[0], sums[2]));
  const Floats odd =
      hn::Add(hn::InterleaveLower(floats, sums[1], sums[3]), hn::InterleaveUpper(floats, sums[1], sums[3]));
  const Floats blocks = hn::Add(hn::InterleaveLower(floats, even, odd), hn::InterleaveUpper(floats, even, odd));
  HWY_ALIGN float lanes[kLanes];
  hn::Store(blocks, floats, lanes);
  auto total = hn::Load(four, lanes);
  for (int block = 4; block < kLanes; block += 4) total = hn::Add(total, hn::Load(four, lanes + block));
  hn::StoreU(hn::Add(hn::LoadU(four, to), total), four, to);
#endif
}

// output[kImages][kTileUnits] += z[kImages][positions][kChannels] * weights[positions][units][kChannels].
template <int kChannels, int kImages>
HWY_INLINE void multiply_tile(const float* z, int64_t z_row, const float* weights, int64_t weights_step, int positions,
                              float* output, int64_t output_row) {
  Floats sums[kImages][kTileUnits];
#pragma GCC unroll 8
  for (int image = 0; image < kImages; ++image)
#pragma GCC unroll 4
    for (int unit = 0; unit < kTileUnits; ++unit) sums[image][unit] = zeros();
  for (int position = 0; position < positions; ++position) {
    const float* values = z + int64_t{position} * kChannels;
    const float* rows = weights + position * weights_step;
    for (int channel = 0; channel < kChannels; channel += kLanes) {
      Floats weight[kTileUnits];
#pragma GCC unroll 4
      for (int unit = 0; unit < kTileUnits; ++unit) weight[unit] = load(rows + unit * kChannels + channel);
#pragma GCC unroll 8
      for (int image = 0; image < kImages; ++image) {
        const Floats value = load(values + image * z_row + channel);
#pragma GCC unroll 4
        for (int unit = 0; unit < kTileUnits; ++unit)
          sums[image][unit] = hn::MulAdd(value, weight[unit], sums[image][unit]);
      }
    }
  }
#pragma GCC unroll 8
  for (int image = 0; image < kImages; ++image) add_lane_sums(sums[image], output + image * output_row);
}

template <int kChannels>
HWY_INLINE void multiply_any(int images, const float* z, int64_t z_row, const float* weights, int64_t weights_step,
                             int positions, float* output, int64_t output_row) {
  switch (images) {
    case 1:
      return multiply_tile<kChannels, 1>(z, z_row, weights, weights_step, positions, output, output_row);
    case 2:
      return multiply_tile<kChannels, 2>(z, z_row, weights, weights_step, positions, output, output_row);
    case 3:
      return multiply_tile<kChannels, 3>(z, z_row, weights, weights_step, positions, output, output_row);
    case 4:
      return multiply_tile<kChannels, 4>(z, z_row, weights, weights_step, positions, output, output_row);
    case 5:
      return multiply_tile<kChannels, 5>(z, z_row, weights, weights_step, positions, output, output_row);
    default:
      return multiply_tile<kChannels, 6>(z, z_row, weights, weights_step, positions, output, output_row);
  }
}

// z[images][positions][kChannels] = input * scale + shift.
template <int kChannels>
void normalize_part(const Normalization& normalization, const float* input, int64_t input_row, int images,
                    int positions, float* z) {
  for (int channel = 0; channel < kChannels; channel += kLanes) {
    const Floats scale = load(normalization.scale + channel);
    const Floats shift = load(normalization.shift + channel);
    for (int image = 0; image < images; ++image) {
      const float* from = input + image * input_row + channel;
      float* to = z + int64_t{image} * positions * kChannels + channel;
      for (int position = 0; position < positions; ++position)
        store(hn::MulAdd(load(from + position * kChannels), scale, shift), to + position * kChannels);
    }
  }
}

template <int kChannels>
void forward(const DenseShape& shape, const float* weights, const Normalization& normalization, const float* input,
             int images, float* z, float* output) {
  std::fill_n(output, int64_t{images} * shape.units, 0.0F);
  const int64_t weights_step = int64_t{shape.units} * kChannels;
  for (int first_image = 0; first_image < images; first_image += kImagesAtOnce) {
    const int block = std::min(kImagesAtOnce, images - first_image);
    for (int first = 0; first < shape.positions; first += kPositionsAtOnce) {
      const int positions = std::min(kPositionsAtOnce, shape.positions - first);
      normalize_part<kChannels>(normalization, input + first_image * shape.input_size() + int64_t{first} * kChannels,
                                shape.input_size(), block, positions, z);
      const int64_t z_row = int64_t{positions} * kChannels;
      for (int unit = 0; unit < shape.units; unit += kTileUnits) {
        const float* tile_weights = weights + first * weights_step + int64_t{unit} * kChannels;
        for (int image = 0; image < block; image += kTileImages)
          multiply_any<kChannels>(std::min(kTileImages, block - image), z + image * z_row, z_row, tile_weights,
                                  weights_step, positions, output + (first_image + image) * int64_t{shape.units} + unit,
                                  shape.units);
      }
    }
  }
}

template <int kVectors>
HWY_INLINE void clear(Floats (&sums)[kVectors]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) sums[v] = zeros();
}

template <int kVectors>
HWY_INLINE void add(const Floats (&values)[kVectors], Floats (&to)[kVectors]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) to[v] = hn::Add(to[v], values[v]);
}

// Two chains of sums, entries of even and of odd number, so that one addition need not wait for the one before.
template <int kVectors>
struct TwoChains {
  Floats even[kVectors];
  Floats odd[kVectors];

  HWY_INLINE void sum(std::span<const SparseGradient::Entry> entries, const float* rows, int64_t row) {
    clear(even);
    clear(odd);
    size_t i = 0;
    for (; i + 2 <= entries.size(); i += 2) {
      multiply_add(entries[i], rows, row, even);
      multiply_add(entries[i + 1], rows, row, odd);
    }
    if (i < entries.size()) multiply_add(entries[i], rows, row, even);
    add(odd, even);
  }

 private:
  static HWY_INLINE void multiply_add(const SparseGradient::Entry& entry, const float* rows, int64_t row,
                                      Floats (&sums)[kVectors]) {
    const Floats value = broadcast(entry.value);
    const float* from = rows + entry.index * row;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[v] = hn::MulAdd(value, load(from + v * kLanes), sums[v]);
  }
};

// The gradient of z at one position, image by image, and its sums.
template <int kChannels, int kVectors>
void position_input_gradient(const DenseShape& shape, int position, int channel, const float* weights,
                             const float* centre, const float* input, const SparseGradient& units,
                             const DenseGradient& gradient) {
  const int64_t at = int64_t{position} * kChannels + channel;
  for (int leaf = 0; leaf < units.leaves(); ++leaf) {
    Floats sums[kVectors];
    Floats products[kVectors];
    clear(sums);
    clear(products);
    for (int image = units.leaf_begin(leaf); image < units.leaf_begin(leaf + 1); ++image) {
      TwoChains<kVectors> chains;
      chains.sum(units.of_image(image), weights + channel, kChannels);
      const float* x = input + image * shape.input_size() + at;
      float* out = gradient.input + image * shape.input_size() + at;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const Floats offset = hn::Sub(load(x + v * kLanes), load(centre + channel + v * kLanes));
        store(chains.even[v], out + v * kLanes);
        sums[v] = hn::Add(sums[v], chains.even[v]);
        products[v] = hn::MulAdd(chains.even[v], offset, products[v]);
      }
    }
    double* to = gradient.sums + int64_t{leaf} * 2 * kChannels + channel;
    for (int v = 0; v < kVectors; ++v) {
      add_to_doubles(sums[v], to + v * kLanes);
      add_to_doubles(products[v], to + kChannels + v * kLanes);
    }
  }
}

// The gradient of one position's weights: leaf by leaf, the leaves added as a tree.
template <int kChannels, int kVectors>
void position_weight_gradient(const DenseShape& shape, int channel, const float* z, const SparseGradient& units,
                              float* weights) {
  constexpr int kMostLevels = 16;
  for (int unit = 0; unit < shape.units; ++unit) {
    Floats levels[kMostLevels][kVectors];  // levels[k]: the sum of 2^k leaves
    int level = 0;
    for (int leaf = 0; leaf < units.leaves(); ++leaf) {
      TwoChains<kVectors> chains;
      chains.sum(units.of_unit(unit, leaf), z + channel, kChannels);
      level = 0;
      for (int trailing = leaf; (trailing & 1) != 0; trailing >>= 1) add(levels[level++], chains.even);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) levels[level][v] = chains.even[v];
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      store(levels[level][v], weights + int64_t{unit} * kChannels + channel + v * kLanes);
  }
}

template <int kChannels>
void gradient_at(const DenseShape& shape, int position, const float* weights, const Normalization& normalization,
                 const float* centre, const float* input, const SparseGradient& units, float* z,
                 const DenseGradient& gradient) {
  constexpr int kMost = kManyRegisters ? 4 : 2;
  constexpr int kVectors = kChannels / kLanes < kMost ? kChannels / kLanes : kMost;
  normalize_part<kChannels>(normalization, input + int64_t{position} * kChannels, shape.input_size(), units.images(), 1,
                            z);
  std::fill_n(gradient.sums, int64_t{units.leaves()} * 2 * kChannels, 0.0);
  for (int channel = 0; channel < kChannels; channel += kVectors * kLanes) {
    position_input_gradient<kChannels, kVectors>(shape, position, channel, weights, centre, input, units, gradient);
    position_weight_gradient<kChannels, kVectors>(shape, channel, z, units, gradient.weights);
  }
}

void forward_any(const DenseShape& shape, const float* weights, const Normalization& normalization, const float* input,
                 int images, float* scratch, float* output) {
  switch (shape.channels) {
    case 32:
      return forward<32>(shape, weights, normalization, input, images, scratch, output);
    case 64:
      return forward<64>(shape, weights, normalization, input, images, scratch, output);
    default:
      throw std::invalid_argument("dense_forward: 32 or 64 channels");
  }
}

void gradient_any(const DenseShape& shape, int position, const float* weights, const Normalization& normalization,
                  const float* centre, const float* input, const SparseGradient& units, float* scratch,
                  const DenseGradient& gradient) {
  switch (shape.channels) {
    case 32:
      return gradient_at<32>(shape, position, weights, normalization, centre, input, units, scratch, gradient);
    case 64:
      return gradient_at<64>(shape, position, weights, normalization, centre, input, units, scratch, gradient);
    default:
      throw std::invalid_argument("dense_gradient: 32 or 64 channels");
  }
}

int64_t forward_scratch(const DenseShape& shape) { return int64_t{kImagesAtOnce} * kPositionsAtOnce * shape.channels; }

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(forward_any);
HWY_EXPORT(gradient_any);
HWY_EXPORT(forward_scratch);

int64_t dense_forward_scratch_size(const DenseShape& shape) { return HWY_DYNAMIC_DISPATCH(forward_scratch)(shape); }

int64_t dense_gradient_scratch_size(const DenseShape& shape, int images) { return int64_t{images} * shape.channels; }

void dense_forward(const DenseShape& shape, const float* weights, const Normalization& normalization,
                   const float* input, int images, float* scratch, float* output) {
  HWY_DYNAMIC_DISPATCH(forward_any)(shape, weights, normalization, input, images, scratch, output);
}

void dense_gradient(const DenseShape& shape, int position, const float* weights, const Normalization& normalization,
                    const float* centre, const float* input, const SparseGradient& units, float* scratch,
                    const DenseGradient& gradient) {
  HWY_DYNAMIC_DISPATCH(gradient_any)
  (shape, position, weights, normalization, centre, input, units, scratch, gradient);
}

}  // namespace fer_ddp
#endif
