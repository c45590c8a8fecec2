// The backward passes of the fused network, and its dense layers, which go forward and backward in one.
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>

#include "core/expressions.h"
#include "kernels/first_convolution.h"
#include "kernels/pooled_convolution_gradient.h"
#include "kernels/tree_sum.h"
#include "step/fused/fused_network.h"

namespace fer_ddp {

using namespace fused_layout;

FusedResult FusedNetwork::dense_layers(std::span<const double> sums, int64_t images) {
  second_.use_batch(sums, images * kHiddenLayer.positions);
  const auto share = static_cast<int64_t>(batch_.rows.size());
  at::parallel_for(0, share, 1, [&](int64_t begin, int64_t end) { hidden_values(begin, end, scratch_of_thread()); });
  clock_.lap(kHiddenForward);
  const FusedResult result = classify_share();
  clock_.lap(kClassify);
  hidden_gradient();
  clock_.lap(kHiddenBackward);
  return result;
}

// Everything after the hidden units' sums, forward and backward; hidden_ ends with their gradients.
FusedResult FusedNetwork::classify_share() {
  const auto part = static_cast<int64_t>(kClassPart.size());
  const auto scale = static_cast<float>(1.0 / static_cast<double>(batch_.global_images));
  const ShareImages* changed = batch_.changed;
  const Classifier last_layer = classifier(changed != nullptr ? changed->label_smoothing() : options_.label_smoothing);
  const bool has_targets = changed != nullptr && changed->has_targets();
  const auto kept_scale = static_cast<float>(1.0 / (1.0 - options_.dropout));
  for_each_leaf([&](int64_t leaf, int64_t first, int64_t last, float*) {
    float* gradients = class_parts_.data() + leaf * part;
    std::fill_n(gradients, part, 0.0F);
    const ClassifierGradient to{.hidden_bias = gradients,
                                .weights = gradients + (kClassWeights.begin - kClassPart.begin),
                                .bias = gradients + (kClassBias.begin - kClassPart.begin)};
    FusedResult& result = results_[static_cast<size_t>(leaf)];
    result = {};
    for (int64_t image = first; image < last; ++image) {
      const int label = changed != nullptr
                            ? changed->label(image)
                            : batch_.labels[static_cast<size_t>(batch_.rows[static_cast<size_t>(image)])];
      std::array<float, kClasses> targets{};
      if (has_targets) changed->write_target(image, targets.data());
      const uint8_t* kept = batch_.kept.empty() ? nullptr : batch_.kept.data() + image * kHiddenLayer.units;
      const ImageResult of_image =
          classify_and_backpropagate(last_layer, hidden_.data() + image * kHiddenLayer.units, label, kept, kept_scale,
                                     scale, to, has_targets ? targets.data() : nullptr);
      result.loss += of_image.loss;
      result.correct += of_image.called == label ? 1 : 0;
    }
  });
  add_tree(class_parts_.data(), leaf_count(), part);
  std::copy_n(class_parts_.data(), part, kClassPart.of(gradients_).data());
  FusedResult total;
  for (const FusedResult& result : results_) {
    total.loss += result.loss;
    total.correct += result.correct;
  }
  return total;
}

void FusedNetwork::hidden_gradient() {
  units_.build(hidden_.data(), dense_leaves_);
  const int64_t weights_size = int64_t{kHiddenLayer.units} * kHiddenLayer.channels;
  const int64_t sums_size = units_.leaves() * kSecondSums;
  at::parallel_for(0, kHiddenLayer.positions, 1, [&](int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position)
      dense_gradient(kHiddenLayer, static_cast<int>(position),
                     kHiddenWeights.of(weights_).data() + position * weights_size, second_.map(), second_.mean(),
                     second_pooled_.data(), units_, scratch_of_thread(),
                     {.input = second_gradient_.data(),
                      .weights = kHiddenWeights.of(gradients_).data() + position * weights_size,
                      .sums = position_sums_.data() + position * sums_size});
  });
  // By leaf over the positions, then the leaves.
  std::fill_n(leaf_sums_.data(), sums_size, 0.0);
  for (int64_t position = 0; position < kHiddenLayer.positions; ++position)
    for (int64_t i = 0; i < sums_size; ++i) leaf_sums_.data()[i] += position_sums_.data()[position * sums_size + i];
  add_tree(leaf_sums_.data(), units_.leaves(), kSecondSums);
  std::copy_n(leaf_sums_.data(), kSecondSums, second_sums_.data());
}

void FusedNetwork::second_block_gradient(std::span<const double> sums, int64_t images) {
  second_.backpropagate(sums, images * kHiddenLayer.positions, kSecondScale.of(gradients_),
                        kSecondShift.of(gradients_));
  const auto part = static_cast<int64_t>(kSecondPart.size());
  for_each_leaf([&](int64_t leaf, int64_t first, int64_t last, float*) {
    float* weights = second_parts_.data() + leaf * part;
    std::fill_n(weights, part, 0.0F);
    for (int64_t image = first; image < last; ++image) {
      float* gradient = second_gradient_.data() + image * kSecondSize;
      const uint8_t* winners = second_winners_.data() + image * kSecondSize;
      normalization_gradient(second_.gradient(), second_pooled_.data() + image * kSecondSize, winners,
                             kHiddenLayer.positions, kHiddenLayer.channels, gradient);
      pooled_convolution_data_gradient(kSecondBlock, kSecondWeights.of(weights_).data(), winners, gradient,
                                       first_gradient_.data() + image * kFirstSize);
      pooled_convolution_weight_gradient(kSecondBlock, first_pooled_.data() + image * kFirstSize, winners, gradient,
                                         weights, weights + (kSecondBias.begin - kSecondPart.begin));
    }
  });
  add_tree(second_parts_.data(), leaf_count(), part);
  std::copy_n(second_parts_.data(), part, kSecondPart.of(gradients_).data());
  clock_.lap(kSecondBackward);
}

// The convolution's input is x * scale + shift, and so are its weights' gradients; those by x went by the weights
// alone, so that their sums over the batch follow from the weights' and the bias' gradients, without a pass over the
// images:
//   sum(dy) = sum of W db,  sum(dy x) = sum of W dW.
void FusedNetwork::finish_second_gradient(int64_t images) {
  const Normalization map = first_.map();
  const std::span<const float> weights = kSecondWeights.of(weights_);
  const std::span<float> gradients = kSecondWeights.of(gradients_);
  const std::span<float> bias = kSecondBias.of(gradients_);
  const size_t inputs = kSecondBlock.input_channels;
  std::fill(first_sums_.begin(), first_sums_.end(), 0.0);
  for (size_t output = 0; output < static_cast<size_t>(kSecondBlock.output_channels); ++output) {
    for (size_t tap = 0; tap < 9; ++tap) {
      for (size_t input = 0; input < inputs; ++input) {
        const size_t i = (output * 9 + tap) * inputs + input;
        const double weight = weights[i];
        const double offset = static_cast<double>(gradients[i]) -
                              static_cast<double>(first_.mean()[input]) * static_cast<double>(bias[output]);
        first_sums_[input] += weight * static_cast<double>(bias[output]);
        first_sums_[inputs + input] += weight * offset;
        gradients[i] = map.scale[input] * gradients[i] + map.shift[input] * bias[output];
      }
    }
  }
  first_.backpropagate(first_sums_, images * kFirstPositions, kFirstScale.of(gradients_), kFirstShift.of(gradients_));
  clock_.lap(kFinishSecond);
}

void FusedNetwork::first_block_gradient() {
  const auto part = static_cast<int64_t>(kFirstPart.size());
  for_each_leaf([&](int64_t leaf, int64_t first, int64_t last, float* scratch) {
    float* weights = first_parts_.data() + leaf * part;
    std::fill_n(weights, part, 0.0F);
    for (int64_t image = first; image < last; ++image) {
      first_convolution_gradient(kFirstBlock, input_again(image, scratch), first_pooled_.data() + image * kFirstSize,
                                 first_winners_.data() + image * kFirstSize,
                                 first_gradient_.data() + image * kFirstSize, first_.gradient(), weights,
                                 weights + (kFirstBias.begin - kFirstPart.begin));
    }
  });
  add_tree(first_parts_.data(), leaf_count(), part);
  std::copy_n(first_parts_.data(), part, kFirstPart.of(gradients_).data());
  clock_.lap(kFirstBackward);
}

}  // namespace fer_ddp
