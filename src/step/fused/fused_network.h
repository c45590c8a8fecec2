// The seed CNN as hand-planned passes over a rank's share of a batch, by the kernels of src/kernels and without
// autograd. Between the passes stands what all images of the global batch have in common: sums that the caller adds up
// over the ranks, in place, before it goes on. What a normalisation does to its block's values is folded into the layer
// after it.
//
// All sums over images are taken leaf by leaf and the leaves as a tree (kernels/tree_sum.h): the same bits at any
// number of threads. Not thread-safe; it runs on LibTorch's threads, no
// more of them than there were when it was made.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/pass_clock.h"
#include "data/image_views.h"
#include "data/share_images.h"
#include "kernels/aligned_buffer.h"
#include "kernels/classifier.h"
#include "kernels/sparse_gradient.h"
#include "step/fused/fused_layout.h"
#include "step/fused/fused_normalization.h"

namespace fer_ddp {

struct FusedOptions {
  double dropout = 0;
  double label_smoothing = 0;
  int64_t most_images = 0;  // of a share
  int rank = 0;             // which share of each batch
  int world_size = 1;
  bool changes_images = false;  // batches may have `changed`
};

// A rank's share of a global batch.
struct FusedBatch {
  std::span<const uint8_t> images;  // the whole split, [n, 48, 48]
  std::span<const uint8_t> labels;  // the whole split
  std::span<const int32_t> rows;    // of the split, in order; may be empty
  int64_t global_images = 0;
  int64_t begin = 0;                     // of the share, in the global batch
  std::span<const uint8_t> kept{};       // [rows, units], 1 or 0: what dropout keeps; empty: all
  const ShareImages* changed = nullptr;  // the share's images and targets where they are not the bytes' and labels'
};

// A step's passes, as they are timed: the network's own, and those of who runs it.
enum FusedPass : size_t {
  kDrawDropout,
  kFirstForward,
  kFoldNormalization,
  kSecondForward,
  kHiddenForward,
  kClassify,
  kHiddenBackward,
  kSecondBackward,
  kFinishSecond,
  kFirstBackward,
  kSumOverRanks,
  kUpdateWeights,
  kFusedPasses
};

struct FusedResult {
  double loss = 0;  // sum over images
  int64_t correct = 0;
};

// What the kernels take of a pixel: x / 255, rounded as this product.
inline constexpr float kPixelGain = 1.0F / 255.0F;

class FusedNetwork {
 public:
  // BatchNorm's running statistics, [channels] each. They live with the caller; training moves them.
  struct Running {
    std::span<float> first_mean, first_variance, second_mean, second_variance;
  };
  // weights, gradients: in the layout of step/fused/fused_layout.h; they live with the caller as well.
  FusedNetwork(const FusedOptions& options, std::span<float> weights, std::span<float> gradients,
               const Running& running);

  // The running statistics were changed from outside.
  void reload_running();

  // The passes of a step, in this order. Sums go out for this rank's share and come in, as `sums`, for the global batch
  // (or for the share again, where normalisation is a rank's own affair); `images`: how many they are of. Gradients are
  // of the mean loss over the global batch.
  std::span<double> first_block(const FusedBatch& batch);
  std::span<double> second_block(std::span<const double> sums, int64_t images);
  FusedResult dense_layers(std::span<const double> sums, int64_t images);    // kDensePart
  [[nodiscard]] std::span<double> dense_sums() { return second_sums_; }      // of the pass before
  void second_block_gradient(std::span<const double> sums, int64_t images);  // kSecondPart, as if not normalised
  void finish_second_gradient(int64_t images);                               // kSecondPart, kNormalizationPart
  void first_block_gradient();                                               // kFirstPart

  // The newest step's winners: which value of each pooled window was the largest (kernels/block_shape.h).
  [[nodiscard]] std::span<const uint8_t> first_winners() const {
    return {first_winners_.data(), first_winners_.size()};
  }
  [[nodiscard]] std::span<const uint8_t> second_winners() const {
    return {second_winners_.data(), second_winners_.size()};
  }

  // Counts all passes; the caller laps its own. The network's passes begin where the last lap ended.
  [[nodiscard]] PassClock& clock() { return clock_; }
  // The time of each pass over all steps so far. Operations that depend on what is alive are taken from the newest
  // step.
  [[nodiscard]] std::vector<PassTime> pass_times() const;

  // Calls `record` for each of the images [begin, end) of a split, in order. `probabilities`, where it is not null, has
  // those of the classes by then: [images][classes].
  void evaluate(std::span<const uint8_t> images, std::span<const uint8_t> labels, int64_t begin, int64_t end,
                const std::function<void(int64_t image, const ImageResult&)>& record, float* probabilities = nullptr);

  // The probability of each class of the images [begin, end) of a split, as `view` shows them: [images][classes].
  void predict(std::span<const uint8_t> images, int64_t begin, int64_t end, const ImageView& view,
               float* probabilities);

 private:
  // work(leaf, first image, end, scratch).
  using LeafWork = std::function<void(int64_t, int64_t, int64_t, float*)>;
  void require_room(int64_t images) const;
  void for_each_leaf(const LeafWork& work);
  void add_leaf_sums(std::span<double> total);
  [[nodiscard]] int leaf_count() const { return static_cast<int>(leaves_.size()) - 1; }
  [[nodiscard]] float* scratch_of_thread();
  [[nodiscard]] const uint8_t* pixels(int64_t image) const;

  // The image of the step under way; forward makes it, and backward takes it again.
  // In evaluation: write(image, pixels) gives the images [begin, end), classify(image, hidden) takes their hidden units
  // without bias, each on any thread.
  void evaluate_images(int64_t begin, int64_t end, const std::function<void(int64_t, float*)>& write,
                       const std::function<void(int64_t, float*)>& classify);
  [[nodiscard]] const float* make_input(int64_t image, float* scratch);
  [[nodiscard]] const float* input_again(int64_t image, float* scratch) const;
  void first_block_of(const float* image, float* pooled, uint8_t* winners, double* sums);
  void fold_first_normalization();
  void second_block_of(const float* input, float* pooled, uint8_t* winners, double* sums, float* scratch);
  void hidden_values(int64_t begin, int64_t end, float* scratch);
  [[nodiscard]] Classifier classifier(double label_smoothing) const;
  [[nodiscard]] FusedResult classify_share();
  void hidden_gradient();

  FusedOptions options_;
  std::span<float> weights_;
  std::span<float> gradients_;
  Running running_;
  FusedNormalization first_;
  FusedNormalization second_;

  PassClock clock_{kFusedPasses};
  int64_t images_seen_ = 0;
  FusedBatch batch_{};             // of the step under way
  std::vector<int> leaves_;        // where each leaf of the share begins, and the last ends
  std::vector<int> dense_leaves_;  // the hidden layer's, fewer
  SparseGradient units_;           // the hidden units' gradients
  std::vector<double> first_sums_, second_sums_;
  std::vector<FusedResult> results_;   // by leaf
  AlignedBuffer<float> inputs_;        // [images][48][48], where they are changed
  AlignedBuffer<float> first_pooled_;  // [images][23][23][32], and two of its shape
  AlignedBuffer<float> first_gradient_;
  AlignedBuffer<uint8_t> first_winners_;
  AlignedBuffer<float> second_pooled_;  // [images][10][10][64], and two of its shape
  AlignedBuffer<float> second_gradient_;
  AlignedBuffer<uint8_t> second_winners_;
  AlignedBuffer<float> hidden_;               // [images][units]: values, then their gradients
  AlignedBuffer<float> transformed_weights_;  // of the second convolution, with the first normalisation folded in
  AlignedBuffer<float> second_bias_;
  AlignedBuffer<double> leaf_sums_;        // [leaves][2 * channels]
  AlignedBuffer<double> position_sums_;    // [positions][leaves][2 * channels]
  AlignedBuffer<float> class_parts_;       // gradients by leaf: of what follows the hidden weights,
  AlignedBuffer<float> second_parts_;      // of the second convolution,
  AlignedBuffer<float> first_parts_;       // and of the first
  AlignedBuffer<float> scratch_;           // of each thread
  AlignedBuffer<uint8_t> unused_winners_;  // of each thread, in evaluation
  int threads_;
  size_t scratch_size_ = 0;
};

}  // namespace fer_ddp
