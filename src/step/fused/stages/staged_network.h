// A table's network as stages (stage.h), over a rank's share of a batch: forward, backward, evaluation. Sums over
// images are taken leaf by leaf and the leaves as a tree (kernels/tree_sum.h): the same bits at any number of threads.
// Not thread-safe; it runs on LibTorch's threads, no more of them than there were when it was made.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/choices.h"
#include "core/pass_clock.h"
#include "model/model.h"
#include "network/stage_plan.h"
#include "step/fused/stages/head.h"
#include "step/fused/stages/staged_layout.h"

namespace fer_ddp {

// Why this processor cannot compute by stages at this precision; empty where it can. TF32 is a GPU's way of rounding,
// and no CPU's.
[[nodiscard]] std::string precision_refusal(Precision precision);

// What stands between the passes.
struct StagedSums {
  std::function<void(std::span<double>)> statistics;   // over the ranks, in place; or the identity
  std::function<void(FlatRange)> gradients_are_there;  // of the flat buffer: their sum may begin
};

// A rank's share of a global batch.
struct StagedBatch {
  const ShareImages& share;
  int64_t global_images = 0;
  int64_t begin = 0;                // of the share, in the global batch
  int64_t statistics_images = 0;    // images that the statistics are of
  std::span<const uint8_t> kept{};  // [images][dropped units], 1 or 0
};

class StagedNetwork {
 public:
  struct Options {
    int64_t most_images = 0;  // of a share
    int rank = 0;             // which share of each batch
    int world_size = 1;
    bool trains = true;  // else it evaluates alone, without memory for gradients
    Precision precision = Precision::kFp32;
  };

  // The model's running statistics live with it, and training moves them; weights and gradients lie as `layout` says.
  // All outlive this. The model's network must match stages.
  StagedNetwork(const Options& options, const StagePlan& plan, const StagedLayout& layout, Model& model,
                std::span<const float> weights, std::span<float> gradients, StagedSums sums);

  // The weights or the running statistics were changed from outside.
  void reload();

  // Forward and backward; leaves the gradients of the mean loss over the global batch.
  HeadResult step(const StagedBatch& batch);

  // Calls `record` for the images [begin, end) of a split, in order. `write_image(i, pixels)` gives an image as the
  // network takes it in.
  void evaluate(int64_t begin, int64_t end, const std::function<void(int64_t image, float* pixels)>& write_image,
                const std::function<void(int64_t image, const float* logits)>& record);

  // In the order of the plan.
  [[nodiscard]] const Stage& stage(size_t index) const { return *stages_[index]; }

  // Passes by stage, then those of who runs it.
  enum OuterPass : size_t { kDrawDropout, kReadImages, kHead, kSumOverRanks, kUpdateWeights, kOuterPasses };
  [[nodiscard]] PassClock& clock() { return clock_; }
  [[nodiscard]] size_t pass(OuterPass outer) const { return 2 * stages_.size() + outer; }
  [[nodiscard]] std::vector<PassTime> pass_times() const;

 private:
  void make_stages(const StagedLayout& layout, Model& model);
  void share_gradients();
  void take_buffers();
  void use_leaves(const StagedBatch& batch);
  template <typename Work>
  void for_each_run(bool training, const Work& work);
  void forward();
  void backward();
  void backward(Stage& stage);
  void sum_parts(FlatRange range);
  void prepare_evaluation();
  [[nodiscard]] std::span<double> leaf_total(double* sums, int64_t channels);

  Options options_;
  const StagePlan& plan_;
  std::span<float> gradients_;
  StagedSums sums_;
  StageSurroundings around_;
  std::vector<std::unique_ptr<Stage>> stages_;
  struct Running {
    FusedNormalization* normalization;
    std::span<float> mean, variance;
  };
  std::vector<Running> running_;
  std::unique_ptr<Head> head_;
  FlatRange channel_range_;

  bool evaluates_ = false;  // the stages are prepared for evaluation with the weights that there are
  int threads_;
  size_t scratch_size_ = 0;
  std::vector<int> leaves_;
  int64_t statistics_images_ = 0;
  int64_t images_seen_ = 0;
  std::vector<HeadResult> results_;  // by leaf
  std::vector<float> ones_;
  AlignedBuffer<float> images_, parts_, output_gradient_, scratch_, logits_;
  std::vector<AlignedBuffer<float>> gradient_buffers_;
  PassClock clock_;
};

}  // namespace fer_ddp
