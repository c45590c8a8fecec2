#include "step/fused/fused_network.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "core/expressions.h"
#include "data/affine_sample.h"
#include "kernels/first_convolution.h"
#include "kernels/tree_sum.h"
#include "kernels/winograd_convolution.h"

namespace fer_ddp {

using namespace fused_layout;

namespace {

// Leaves of a global batch: enough for the threads of a large machine, few enough that adding them up costs nothing.
constexpr int kLeaves = 16;
// The hidden layer's gradient is large and each leaf costs a pass of additions: as many as ranks with the same bits.
constexpr int kDenseLeaves = 8;
constexpr int kEvaluatedAtOnce = 128;
// As in the seed CNN's table, and Keras'.
constexpr layer::BatchNorm kBatchNorm{.epsilon = 1e-3, .momentum = 0.01, .scale = true, .unbiased_variance = false};

size_t floats(int64_t count, int64_t size) { return static_cast<size_t>(count * size); }

int own_leaves(int leaves, const FusedOptions& options) {
  return static_cast<int>(leaves_of_share(0, 0, 0, leaves, options.rank, options.world_size).size()) - 1;
}

int64_t largest_scratch(int64_t images) {
  const int64_t blocks = int64_t{kImagePixels} + kFirstSize + winograd_scratch_size(kSecondBlock);
  return std::max({blocks, dense_forward_scratch_size(kHiddenLayer),
                   dense_gradient_scratch_size(kHiddenLayer, static_cast<int>(images))});
}

}  // namespace

FusedNetwork::FusedNetwork(const FusedOptions& options, std::span<float> weights, std::span<float> gradients,
                           const Running& running)
    : options_(options),
      weights_(weights),
      gradients_(gradients),
      running_(running),
      first_(kFirstBlock.output_channels, kBatchNorm),
      second_(kSecondBlock.output_channels, kBatchNorm),
      units_(static_cast<int>(options.most_images), kHiddenLayer.units, own_leaves(kDenseLeaves, options)),
      first_sums_(kFirstSums),
      second_sums_(kSecondSums),
      results_(static_cast<size_t>(own_leaves(kLeaves, options))),
      threads_(at::get_num_threads()) {
  const int64_t images = options.most_images;
  const int64_t evaluated = std::max<int64_t>(images, kEvaluatedAtOnce);
  const auto leaves = static_cast<int64_t>(results_.size());
  if (options.changes_images) inputs_ = AlignedBuffer<float>(floats(images, kImagePixels));
  first_pooled_ = AlignedBuffer<float>(floats(images, kFirstSize));
  first_gradient_ = AlignedBuffer<float>(floats(images, kFirstSize));
  first_winners_ = AlignedBuffer<uint8_t>(floats(images, kFirstSize));
  second_pooled_ = AlignedBuffer<float>(floats(evaluated, kSecondSize));
  second_gradient_ = AlignedBuffer<float>(floats(images, kSecondSize));
  second_winners_ = AlignedBuffer<uint8_t>(floats(images, kSecondSize));
  hidden_ = AlignedBuffer<float>(floats(evaluated, kHiddenLayer.units));
  transformed_weights_ = AlignedBuffer<float>(static_cast<size_t>(winograd_weights_size(kSecondBlock)));
  second_bias_ = AlignedBuffer<float>(kSecondBlock.output_channels);
  leaf_sums_ = AlignedBuffer<double>(floats(leaves, kSecondSums));
  position_sums_ = AlignedBuffer<double>(floats(kHiddenLayer.positions, units_.leaves() * kSecondSums));
  class_parts_ = AlignedBuffer<float>(floats(leaves, static_cast<int64_t>(kClassPart.size())));
  second_parts_ = AlignedBuffer<float>(floats(leaves, static_cast<int64_t>(kSecondPart.size())));
  first_parts_ = AlignedBuffer<float>(floats(leaves, static_cast<int64_t>(kFirstPart.size())));
  scratch_size_ = static_cast<size_t>((largest_scratch(images) + 15) / 16 * 16);
  scratch_ = AlignedBuffer<float>(scratch_size_ * static_cast<size_t>(threads_));
  unused_winners_ = AlignedBuffer<uint8_t>(floats(threads_, kFirstSize + kSecondSize));
  first_.use_parameters(kFirstScale.of(weights), kFirstShift.of(weights));
  second_.use_parameters(kSecondScale.of(weights), kSecondShift.of(weights));
  reload_running();
}

void FusedNetwork::reload_running() {
  first_.use_running(running_.first_mean, running_.first_variance);
  second_.use_running(running_.second_mean, running_.second_variance);
}

void FusedNetwork::require_room(int64_t images) const {
  if (images > options_.most_images || at::get_num_threads() > threads_)
    throw machine_error("the fused network was made for fewer images or threads");
}

float* FusedNetwork::scratch_of_thread() {
  return scratch_.data() + static_cast<size_t>(at::get_thread_num()) * scratch_size_;
}

const uint8_t* FusedNetwork::pixels(int64_t image) const {
  return batch_.images.data() + int64_t{batch_.rows[static_cast<size_t>(image)]} * kImagePixels;
}

void FusedNetwork::for_each_leaf(const LeafWork& work) {
  at::parallel_for(0, leaf_count(), 1, [&](int64_t begin, int64_t end) {
    float* scratch = scratch_of_thread();
    for (int64_t leaf = begin; leaf < end; ++leaf)
      work(leaf, leaves_[static_cast<size_t>(leaf)], leaves_[static_cast<size_t>(leaf) + 1], scratch);
  });
}

void FusedNetwork::add_leaf_sums(std::span<double> total) {
  add_tree(leaf_sums_.data(), leaf_count(), static_cast<int64_t>(total.size()));
  std::copy_n(leaf_sums_.data(), total.size(), total.data());
}

std::span<double> FusedNetwork::first_block(const FusedBatch& batch) {
  require_room(static_cast<int64_t>(batch.rows.size()));
  if (batch.changed != nullptr && !options_.changes_images)
    throw machine_error("the fused network was made for images as they are");
  batch_ = batch;
  first_.take_centre();
  second_.take_centre();
  images_seen_ += static_cast<int64_t>(batch.rows.size());
  const int64_t end = batch.begin + static_cast<int64_t>(batch.rows.size());
  leaves_ = leaves_of_share(batch.global_images, batch.begin, end, kLeaves, options_.rank, options_.world_size);
  dense_leaves_ =
      leaves_of_share(batch.global_images, batch.begin, end, kDenseLeaves, options_.rank, options_.world_size);
  for_each_leaf([&](int64_t leaf, int64_t first, int64_t last, float* scratch) {
    double* sums = leaf_sums_.data() + leaf * kFirstSums;
    std::fill_n(sums, kFirstSums, 0.0);
    for (int64_t image = first; image < last; ++image)
      first_block_of(make_input(image, scratch), first_pooled_.data() + image * kFirstSize,
                     first_winners_.data() + image * kFirstSize, sums);
  });
  add_leaf_sums(first_sums_);
  clock_.lap(kFirstForward);
  return first_sums_;
}

const float* FusedNetwork::make_input(int64_t image, float* scratch) {
  if (batch_.changed == nullptr) return input_again(image, scratch);
  float* input = inputs_.data() + image * kImagePixels;
  batch_.changed->write(image, input);
  return input;
}

// Bytes are scaled in less time than it takes to read what was kept of them.
const float* FusedNetwork::input_again(int64_t image, float* scratch) const {
  if (batch_.changed != nullptr) return inputs_.data() + image * kImagePixels;
  scale_pixels(pixels(image), kPixelGain, 0.0F, scratch);
  return scratch;
}

void FusedNetwork::first_block_of(const float* image, float* pooled, uint8_t* winners, double* sums) {
  const FirstConvolution layer{.shape = kFirstBlock,
                               .weights = kFirstWeights.of(weights_).data(),
                               .bias = kFirstBias.of(weights_).data(),
                               .centre = first_.centre()};
  first_convolution(layer, image, pooled, winners, sums);
}

std::span<double> FusedNetwork::second_block(std::span<const double> sums, int64_t images) {
  first_.use_batch(sums, images * kFirstPositions);
  fold_first_normalization();
  clock_.lap(kFoldNormalization);
  for_each_leaf([&](int64_t leaf, int64_t first, int64_t last, float* scratch) {
    double* leaf_sums = leaf_sums_.data() + leaf * kSecondSums;
    std::fill_n(leaf_sums, kSecondSums, 0.0);
    for (int64_t image = first; image < last; ++image)
      second_block_of(first_pooled_.data() + image * kFirstSize, second_pooled_.data() + image * kSecondSize,
                      second_winners_.data() + image * kSecondSize, leaf_sums, scratch);
  });
  add_leaf_sums(second_sums_);
  clock_.lap(kSecondForward);
  return second_sums_;
}

// conv(x * scale + shift) = conv'(x) + bias': its weights times the scale, and a constant.
void FusedNetwork::fold_first_normalization() {
  const Normalization map = first_.map();
  const std::span<const float> weights = kSecondWeights.of(weights_);
  const std::span<const float> bias = kSecondBias.of(weights_);
  const int inputs = kSecondBlock.input_channels;
  at::parallel_for(0, kSecondBlock.output_channels, 16, [&](int64_t begin, int64_t end) {
    winograd_transform_weights(kSecondBlock, weights.data(), map.scale, static_cast<int>(begin), static_cast<int>(end),
                               transformed_weights_.data());
    for (int64_t output = begin; output < end; ++output) {
      double sum = bias[static_cast<size_t>(output)];
      const float* taps = weights.data() + output * 9 * inputs;
      for (int64_t i = 0; i < int64_t{9} * inputs; ++i)
        sum += static_cast<double>(taps[i]) * static_cast<double>(map.shift[i % inputs]);
      second_bias_.data()[output] = static_cast<float>(sum);
    }
  });
}

void FusedNetwork::second_block_of(const float* input, float* pooled, uint8_t* winners, double* sums, float* scratch) {
  const WinogradConvolution layer{.shape = kSecondBlock,
                                  .transformed_weights = transformed_weights_.data(),
                                  .bias = second_bias_.data(),
                                  .centre = second_.centre()};
  winograd_convolution(layer, input, scratch, pooled, winners, sums);
}

void FusedNetwork::hidden_values(int64_t begin, int64_t end, float* scratch) {
  dense_forward(kHiddenLayer, kHiddenWeights.of(weights_).data(), second_.map(),
                second_pooled_.data() + begin * kSecondSize, static_cast<int>(end - begin), scratch,
                hidden_.data() + begin * kHiddenLayer.units);
}

Classifier FusedNetwork::classifier(double label_smoothing) const {
  return {.units = kHiddenLayer.units,
          .classes = kClasses,
          .hidden_bias = kHiddenBias.of(weights_).data(),
          .weights = kClassWeights.of(weights_).data(),
          .bias = kClassBias.of(weights_).data(),
          .label_smoothing = label_smoothing};
}

void FusedNetwork::evaluate_images(int64_t begin, int64_t end, const std::function<void(int64_t, float*)>& write,
                                   const std::function<void(int64_t, float*)>& classify) {
  require_room(0);
  first_.use_running_statistics();
  second_.use_running_statistics();
  fold_first_normalization();
  for (int64_t block = begin; block < end; block += kEvaluatedAtOnce) {
    const int64_t count = std::min<int64_t>(kEvaluatedAtOnce, end - block);
    at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
      float* scratch = scratch_of_thread();
      float* pooled = scratch + kImagePixels;
      float* rest = pooled + kFirstSize;
      uint8_t* winners = unused_winners_.data() + at::get_thread_num() * (kFirstSize + kSecondSize);
      std::vector<double> unused(kSecondSums);
      for (int64_t image = first; image < last; ++image) {
        write(block + image, scratch);
        first_block_of(scratch, pooled, winners, unused.data());
        second_block_of(pooled, second_pooled_.data() + image * kSecondSize, winners + kFirstSize, unused.data(), rest);
      }
      hidden_values(first, last, scratch);
      for (int64_t image = first; image < last; ++image)
        classify(block + image, hidden_.data() + image * kHiddenLayer.units);
    });
  }
}

void FusedNetwork::evaluate(std::span<const uint8_t> images, std::span<const uint8_t> labels, int64_t begin,
                            int64_t end, const std::function<void(int64_t, const ImageResult&)>& record,
                            float* probabilities) {
  const Classifier last_layer = classifier(options_.label_smoothing);
  std::vector<ImageResult> results(static_cast<size_t>(end - begin));
  evaluate_images(
      begin, end,
      [&](int64_t image, float* pixels) {
        scale_pixels(images.data() + image * kImagePixels, kPixelGain, 0.0F, pixels);
      },
      [&](int64_t image, float* hidden) {
        results[static_cast<size_t>(image - begin)] =
            classify(last_layer, hidden, labels[static_cast<size_t>(image)],
                     probabilities == nullptr ? nullptr : probabilities + (image - begin) * kClasses);
      });
  for (int64_t image = begin; image < end; ++image) record(image, results[static_cast<size_t>(image - begin)]);
}

void FusedNetwork::predict(std::span<const uint8_t> images, int64_t begin, int64_t end, const ImageView& view,
                           float* probabilities) {
  const Classifier last_layer = classifier(options_.label_smoothing);
  evaluate_images(
      begin, end,
      [&](int64_t image, float* pixels) {
        write_view(view, PixelScale::kUnit, images.data() + image * kImagePixels, pixels);
      },
      [&](int64_t image, float* hidden) {
        classify(last_layer, hidden, 0, probabilities + (image - begin) * kClasses);  // the label is of no account
      });
}

}  // namespace fer_ddp
