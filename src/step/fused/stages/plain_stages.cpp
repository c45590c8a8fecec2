// The stages beside convolutions, each a pass or two over plain values.
#include <algorithm>

#include "kernels/batch_norm.h"
#include "kernels/mapped_values.h"
#include "step/fused/stages/stage.h"

namespace fer_ddp {

namespace {

// Values of its own, as large as its output.
class PlainStage : public Stage {
 public:
  PlainStage(const StageSpec& spec, int index, const StageInputs& inputs)
      : Stage(spec, index, inputs.input),
        around_(*inputs.surroundings),
        values_(static_cast<size_t>(around_.most_images * spec.output.size())) {
    activation_.values = values_.data();
  }

 protected:
  [[nodiscard]] float* own(int image) { return values_.data() + image * activation_.size(); }
  [[nodiscard]] int64_t rows(const LeafRun& run) const { return run.count() * activation_.positions(); }
  // The gradient of what is read, from the run's first image on, ready to be added to.
  [[nodiscard]] float* input_gradient(const LeafRun& run) const {
    float* gradient = input_->gradient_of(run.begin());
    if (!adds_) std::fill_n(gradient, run.count() * input_->size(), 0.0F);
    return gradient;
  }
  // Adds the gradient of what is read, from the run's first image on, or writes it, where it is not in its place yet.
  void deliver(const LeafRun& run, const float* gradient, const Activation& read) const {
    float* to = read.gradient_of(run.begin());
    if (to == gradient) return;
    const int64_t count = run.count() * read.size();
    if (adds_) {
      for (int64_t i = 0; i < count; ++i) to[i] += gradient[i];
    } else {
      std::copy_n(gradient, count, to);
    }
  }
  // Called when the gradient of what is read is whole.
  void leave_sums(const LeafRun& run) const {
    if (!owes_sums()) return;
    for (size_t i = 0; i + 1 < run.leaves.size(); ++i) {
      const int first = run.leaves[i];
      add_live_sums(input_->seen(first), input_->gradient_of(first), input_->mean,
                    (run.leaves[i + 1] - first) * input_->positions(), input_->channels(),
                    input_->sums_of(run.first_leaf + static_cast<int>(i)));
    }
  }

  const StageSurroundings& around_;
  AlignedBuffer<float> values_;
};

class MaterializeStage final : public PlainStage {
 public:
  using PlainStage::PlainStage;
  void compute(const LeafRun& run) override {
    apply_map(input_->seen(run.begin()), rows(run), activation_.channels(), own(run.begin()));
  }
  void backward(const LeafRun& run) override {
    deliver(run, activation_.gradient_of(run.begin()), *input_);
    leave_sums(run);
  }
};

PooledShape pooled_shape(const Activation& input) {
  return {static_cast<int>(input.shape.height), static_cast<int>(input.shape.width), input.channels()};
}

class MaxPoolStage final : public PlainStage {
 public:
  MaxPoolStage(const StageSpec& spec, int index, const StageInputs& inputs)
      : PlainStage(spec, index, inputs), winners_(values_.size()) {}
  void compute(const LeafRun& run) override {
    max_pool(pooled_shape(*input_), input_->seen(run.begin()), run.count(), own(run.begin()),
             winners_.data() + run.begin() * activation_.size());
  }
  void backward(const LeafRun& run) override {
    add_max_pool_gradient(pooled_shape(*input_), activation_.gradient_of(run.begin()),
                          winners_.data() + run.begin() * activation_.size(), run.count(), input_gradient(run));
  }

 private:
  AlignedBuffer<uint8_t> winners_;
};

class AveragePoolStage final : public PlainStage {
 public:
  using PlainStage::PlainStage;
  void compute(const LeafRun& run) override {
    average_pool(pooled_shape(*input_), input_->values + run.begin() * input_->size(), run.count(), own(run.begin()));
  }
  void backward(const LeafRun& run) override {
    add_average_pool_gradient(pooled_shape(*input_), activation_.gradient_of(run.begin()), run.count(),
                              input_gradient(run));
  }
};

class BatchNormStage final : public PlainStage {
 public:
  BatchNormStage(const StageSpec& spec, int index, const StageInputs& inputs)
      : PlainStage(spec, index, inputs),
        ranges_(inputs.ranges),
        normalization_(static_cast<size_t>(spec.output.channels), std::get<layer::BatchNorm>(spec.layer->kind)),
        sums_(static_cast<size_t>(int64_t{around_.leaves} * 2 * spec.output.channels)) {
    normalization_.use_parameters(ranges_.gamma.size() > 0 ? ranges_.gamma.of(around_.weights) : inputs.ones,
                                  ranges_.beta.of(around_.weights));
    normalization_.use_running(inputs.running_mean, inputs.running_variance);
  }

  void compute(const LeafRun& run) override {
    if (!run.training) return;
    const float* centre = normalization_.centre();
    for (size_t i = 0; i + 1 < run.leaves.size(); ++i) {
      const int64_t count = leaf_rows(run, i);
      double* sums = sums_of(run, i);
      add_channel_sums(read(run.leaves[i]), centre, count, activation_.channels(), sums);
      // The kernel sums the values, and a normalisation asks for their distances from the centre.
      for (int c = 0; c < activation_.channels(); ++c)
        sums[c] -= static_cast<double>(centre[c]) * static_cast<double>(count);
    }
  }
  [[nodiscard]] bool has_second_pass() const override { return true; }
  void second_pass(const LeafRun& run) override {
    scale_and_shift(read(run.begin()), rows(run), activation_.channels(), normalization_.map().scale,
                    normalization_.map().shift, own(run.begin()));
  }
  [[nodiscard]] FusedNormalization* normalization() override { return &normalization_; }
  [[nodiscard]] double* statistics() override { return sums_.data(); }

  [[nodiscard]] bool sums_gradient() const override { return true; }
  void sum_gradient(const LeafRun& run) override {
    for (size_t i = 0; i + 1 < run.leaves.size(); ++i)
      add_gradient_sums(activation_.gradient_of(run.leaves[i]), read(run.leaves[i]), normalization_.mean(),
                        leaf_rows(run, i), activation_.channels(), sums_of(run, i));
  }
  void use_gradient_sums(std::span<const double> sums, int64_t count) override {
    normalization_.backpropagate(sums, count, ranges_.gamma.of(around_.gradients), ranges_.beta.of(around_.gradients));
  }
  void backward(const LeafRun& run) override {
    const NormalizationGradient map = normalization_.gradient();
    float* dx = adds_ ? around_.output_gradient + run.begin() * input_->size() : input_->gradient_of(run.begin());
    combine_gradients(activation_.gradient_of(run.begin()), read(run.begin()), rows(run), activation_.channels(),
                      map.scale, map.slope, map.constant, dx);
    deliver(run, dx, *input_);
  }

 private:
  [[nodiscard]] const float* read(int image) const { return input_->values + image * input_->size(); }
  [[nodiscard]] int64_t leaf_rows(const LeafRun& run, size_t i) const {
    return (run.leaves[i + 1] - run.leaves[i]) * activation_.positions();
  }
  [[nodiscard]] double* sums_of(const LeafRun& run, size_t i) {
    return sums_.data() + (run.first_leaf + static_cast<int64_t>(i)) * 2 * activation_.shape.channels;
  }

  StageRanges ranges_;
  FusedNormalization normalization_;
  AlignedBuffer<double> sums_;
};

// Its gradient, once ReLU is taken off, is that of both branches: they find it in the same memory.
class ResidualStage final : public PlainStage {
 public:
  ResidualStage(const StageSpec& spec, int index, const StageInputs& inputs)
      : PlainStage(spec, index, inputs), shortcut_(*inputs.shortcut) {}

  void compute(const LeafRun& run) override {
    add_residual(input_->branch(run.begin()), shortcut_.branch(run.begin()), shortcut_.reading == Reading::kMapped,
                 rows(run), activation_.channels(), own(run.begin()));
  }
  void begin_backward() override {
    input_->has_gradient = true;
    adds_ = std::exchange(shortcut_.has_gradient, true);
  }
  void backward(const LeafRun& run) override {
    for (size_t i = 0; i + 1 < run.leaves.size(); ++i) {
      const int leaf = run.first_leaf + static_cast<int>(i);
      const int first = run.leaves[i];
      residual_gradient(own(first), (run.leaves[i + 1] - first) * activation_.positions(), activation_.channels(),
                        activation_.gradient_of(first), sums_of(*input_, first, leaf),
                        shortcut_.reading == Reading::kMappedOnly ? sums_of(shortcut_, first, leaf) : BranchSums{});
    }
    deliver(run, activation_.gradient_of(run.begin()), shortcut_);
  }

 private:
  static BranchSums sums_of(const Activation& branch, int first, int leaf) {
    return {branch.values + first * branch.size(), branch.mean, branch.sums_of(leaf)};
  }

  Activation& shortcut_;
};

}  // namespace

std::unique_ptr<Stage> make_plain_stage(const StageSpec& spec, int index, const StageInputs& inputs) {
  switch (spec.kind) {
    case StageSpec::Kind::kBatchNorm:
      return std::make_unique<BatchNormStage>(spec, index, inputs);
    case StageSpec::Kind::kMaxPool:
      return std::make_unique<MaxPoolStage>(spec, index, inputs);
    case StageSpec::Kind::kAveragePool:
      return std::make_unique<AveragePoolStage>(spec, index, inputs);
    case StageSpec::Kind::kResidual:
      return std::make_unique<ResidualStage>(spec, index, inputs);
    default:
      return std::make_unique<MaterializeStage>(spec, index, inputs);
  }
}

}  // namespace fer_ddp
