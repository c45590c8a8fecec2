// A stage of the fused engine: one pass over the images forward and one backward, for a run of a table's layers
// (network/stage_plan.h). Between the passes stands what all images of the global batch have in common, which the
// network (staged_network.h) sums over the ranks.
//
// A stage leaves its values as its kernel writes them; normalisation, bias and ReLU are a map by channel that its
// readers apply (kernels/convolution_shape.h). The gradient that readers leave is of what they saw, and they leave the
// sums that the stage's normalisation asks for. Passes work on runs of leaves (kernels/tree_sum.h), which threads take
// at once; nothing else here is thread-safe.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "core/flat_range.h"
#include "kernels/aligned_buffer.h"
#include "kernels/convolution_shape.h"
#include "kernels/residual.h"
#include "network/stage_plan.h"
#include "step/fused/fused_normalization.h"

namespace fer_ddp {

// Some leaves of the share, for one thread.
struct LeafRun {
  std::span<const int> leaves;  // where each begins, and where the last ends, in images
  int first_leaf = 0;
  float* scratch = nullptr;  // of the thread; as large as the stages ask for
  bool training = true;

  [[nodiscard]] int begin() const { return leaves.front(); }
  [[nodiscard]] int count() const { return leaves.back() - leaves.front(); }
};

// What a stage leaves for its readers, and what they leave for it. Values and gradient: [images][height][width]
// [channels].
struct Activation {
  FeatureShape shape;
  Reading reading = Reading::kPlain;
  const float* values = nullptr;
  const float* scale = nullptr;  // of the map; null where plain
  const float* shift = nullptr;

  float* gradient = nullptr;
  bool has_gradient = false;    // in this step's backward: a reader has written it, the next ones add
  int first_reader = 0;         // the stage that is the last to add to it
  const float* mean = nullptr;  // what the sums are about
  double* sums = nullptr;       // [leaves][2 * channels], added to; null where none are asked for

  [[nodiscard]] int channels() const { return static_cast<int>(shape.channels); }
  [[nodiscard]] int64_t positions() const { return shape.height * shape.width; }
  [[nodiscard]] int64_t size() const { return shape.size(); }
  [[nodiscard]] MappedValues seen(int image) const { return {values + image * size(), scale, shift}; }
  [[nodiscard]] Branch branch(int image) const { return {values + image * size(), scale, shift}; }
  [[nodiscard]] double* sums_of(int leaf) const {
    return sums == nullptr ? nullptr : sums + int64_t{leaf} * 2 * shape.channels;
  }
  [[nodiscard]] float* gradient_of(int image) const { return gradient + image * size(); }
};

// A stage's weights in the engine's flat buffers; ranges are empty where there are none.
struct StageRanges {
  FlatRange weights{}, bias{}, gamma{}, beta{};
};

// Where a stage finds what it works with. All outlives it.
struct StageSurroundings {
  std::span<const float> weights;    // flat
  std::span<float> gradients;        // flat, this rank's
  const float* images = nullptr;     // [images][48 * 48], as the network takes them in
  float* parts = nullptr;            // [leaves] times the largest stage's weights
  float* output_gradient = nullptr;  // [images] times the largest output: for kernels that want it written out
  int leaves = 0;
  int64_t most_images = 0;
  bool bf16 =
      false;  // operands of the convolutions that matrix tiles take (kernels/tile_convolution.h, strided_tiles.h)
};

class Stage {
 public:
  Stage(const StageSpec& spec, int index, Activation* input) : spec_(spec), index_(index), input_(input) {
    activation_.shape = spec.output;
    activation_.reading = reading_of(spec);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  [[nodiscard]] const StageSpec& spec() const { return spec_; }
  [[nodiscard]] Activation& activation() { return activation_; }
  [[nodiscard]] const Activation& activation() const { return activation_; }
  // The newest values of an image as ReLU leaves them, before a pool.
  [[nodiscard]] virtual MappedValues before_pool(int image) const { return activation_.seen(image); }

  // Floats of a thread's scratch.
  [[nodiscard]] virtual int64_t scratch_size() const { return 0; }
  // Computes what depends on the weights alone; called once before the passes of a step, or of an evaluation, by one
  // thread, and uses all of them itself.
  virtual void prepare() {}

  // Forward: compute(); where there is a normalisation, its statistics over all ranks; then second_pass(), which may
  // use them, where the stage has one.
  virtual void compute(const LeafRun& run) = 0;
  virtual void second_pass(const LeafRun&) {}
  [[nodiscard]] virtual bool has_second_pass() const { return false; }

  // Null where the stage normalises nothing. statistics(): [leaves][2 * channels], of compute() in training.
  [[nodiscard]] virtual FusedNormalization* normalization() { return nullptr; }
  [[nodiscard]] virtual double* statistics() { return nullptr; }
  // Values of a channel that an image's statistics are of.
  [[nodiscard]] virtual int64_t positions() const { return activation_.positions(); }

  // Backward, once all readers are through theirs: begin_backward() by one thread; where the readers did not leave the
  // sums that the normalisation asks for, sum_gradient(); with the sums over the ranks of `count` values a channel,
  // use_gradient_sums(); then backward().
  virtual void begin_backward() { adds_ = input_ != nullptr && std::exchange(input_->has_gradient, true); }
  [[nodiscard]] virtual bool sums_gradient() const { return false; }
  virtual void sum_gradient(const LeafRun&) {}
  virtual void use_gradient_sums(std::span<const double>, int64_t) {}
  virtual void backward(const LeafRun& run) = 0;
  // What backward() leaves in StageSurroundings::parts, of each leaf; empty: nothing.
  [[nodiscard]] virtual FlatRange weight_range() const { return {}; }

 protected:
  // Whether this stage is the last to add to what it reads, and owes it the sums that its normalisation asks for.
  [[nodiscard]] bool owes_sums() const { return input_->first_reader == index_ && input_->sums != nullptr; }

  StageSpec spec_;
  int index_;
  Activation* input_;  // null: the images
  bool adds_ = false;  // to the gradient of what it reads, which another reader has written
  Activation activation_;
};

struct StageInputs {
  Activation* input = nullptr;  // null: the images
  Activation* shortcut = nullptr;
  const StageSurroundings* surroundings = nullptr;
  StageRanges ranges{};
  std::span<float> running_mean{}, running_variance{};
  std::span<const float> ones{};  // [channels]: gamma where none is trained
};

[[nodiscard]] std::unique_ptr<Stage> make_convolution_stage(const StageSpec& spec, int index,
                                                            const StageInputs& inputs);
[[nodiscard]] std::unique_ptr<Stage> make_plain_stage(const StageSpec& spec, int index, const StageInputs& inputs);

}  // namespace fer_ddp
