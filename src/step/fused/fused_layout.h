// Where the seed CNN's parameters lie for the fused kernels: one flat buffer, in the kernels' own layouts, cut into the
// parts that backward finishes one after the other. Parameters begin at multiples of 16 floats; what lies between stays
// zero.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/flat_range.h"
#include "kernels/block_shape.h"
#include "kernels/dense_layer.h"
#include "model/parameter_store.h"
#include "step/fused/shared_weights.h"

namespace fer_ddp {

inline constexpr BlockShape kFirstBlock{.height = 48, .width = 48, .input_channels = 1, .output_channels = 32};
inline constexpr BlockShape kSecondBlock{.height = kFirstBlock.pooled_height(),
                                         .width = kFirstBlock.pooled_width(),
                                         .input_channels = kFirstBlock.output_channels,
                                         .output_channels = 64};
inline constexpr int kClasses = 7;
inline constexpr DenseShape kHiddenLayer{.positions = kSecondBlock.pooled_height() * kSecondBlock.pooled_width(),
                                         .channels = kSecondBlock.output_channels,
                                         .units = 128};

namespace fused_layout {

constexpr FlatRange after(FlatRange before, size_t size) {
  const size_t begin = (before.end + 15) / 16 * 16;
  return {begin, begin + size};
}

// The dense layers, whose gradients are there first.
inline constexpr FlatRange kHiddenWeights{0, static_cast<size_t>(kHiddenLayer.weights())};  // [position][unit][channel]
inline constexpr FlatRange kHiddenBias = after(kHiddenWeights, kHiddenLayer.units);
inline constexpr FlatRange kClassWeights = after(kHiddenBias, size_t{kClasses} * kHiddenLayer.units);  // [class][unit]
inline constexpr FlatRange kClassBias = after(kClassWeights, kClasses);
// The second convolution.
inline constexpr FlatRange kSecondWeights =
    after(kClassBias, static_cast<size_t>(kSecondBlock.weights()));  // [output][9][input]
inline constexpr FlatRange kSecondBias = after(kSecondWeights, kSecondBlock.output_channels);
// The first convolution.
inline constexpr FlatRange kFirstWeights =
    after(kSecondBias, static_cast<size_t>(kFirstBlock.weights()));  // [9][output]
inline constexpr FlatRange kFirstBias = after(kFirstWeights, kFirstBlock.output_channels);
// Both normalisations.
inline constexpr FlatRange kFirstScale = after(kFirstBias, kFirstBlock.output_channels);
inline constexpr FlatRange kFirstShift = after(kFirstScale, kFirstBlock.output_channels);
inline constexpr FlatRange kSecondScale = after(kFirstShift, kSecondBlock.output_channels);
inline constexpr FlatRange kSecondShift = after(kSecondScale, kSecondBlock.output_channels);
inline constexpr size_t kSize = after(kSecondShift, 0).begin;

// What is summed over the ranks at once. Of the dense part, all but the hidden weights is summed up leaf by leaf.
inline constexpr FlatRange kDensePart{0, kSecondWeights.begin};
inline constexpr FlatRange kClassPart{kHiddenBias.begin, kDensePart.end};
inline constexpr FlatRange kSecondPart{kSecondWeights.begin, kFirstWeights.begin};
inline constexpr FlatRange kFirstPart{kFirstWeights.begin, kFirstScale.begin};
inline constexpr FlatRange kNormalizationPart{kFirstScale.begin, kSize};

// What one image has: values after each block, positions after the first one, and the sums that a normalisation asks
// for.
inline constexpr int64_t kFirstSize = kFirstBlock.pooled_size();
inline constexpr int64_t kSecondSize = kSecondBlock.pooled_size();
inline constexpr int64_t kFirstPositions = kFirstSize / kFirstBlock.output_channels;
inline constexpr int64_t kFirstSums = int64_t{2} * kFirstBlock.output_channels;
inline constexpr int64_t kSecondSums = int64_t{2} * kSecondBlock.output_channels;

}  // namespace fused_layout

// The seed CNN's parameters (or the optimizer's values for them) between the store's order and the kernels'.
class FusedLayout : public WeightLayout {
 public:
  // Throws Error (our mistake) where the store is not the seed CNN's.
  explicit FusedLayout(const ParameterStore& store);
};

}  // namespace fer_ddp
