#include "step/device/kernel_rules.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.h"

namespace fer_ddp {

namespace {

at::Tensor floats(size_t size, at::Device device) {
  return at::zeros({static_cast<int64_t>(size)}, at::TensorOptions(at::kFloat).device(device));
}

// The groups of weights that a parameter lies in; padding goes with it.
FlatRange groups_of(const ParameterPlace& place) {
  return {place.range.begin / kWeightsOfAGroup, (place.range.end + kWeightsOfAGroup - 1) / kWeightsOfAGroup};
}

// Of each group, 1 where weights decay; undefined: everywhere.
at::Tensor decaying_groups(const ParameterLayout& layout, bool vectors_decay, at::Device device) {
  if (vectors_decay) return {};
  const at::Tensor decaying = at::zeros({static_cast<int64_t>(layout.size / kWeightsOfAGroup)}, at::kByte);
  for (const ParameterPlace& place : layout.places) {
    const FlatRange groups = groups_of(place);
    std::fill(decaying.data_ptr<uint8_t>() + groups.begin, decaying.data_ptr<uint8_t>() + groups.end,
              place.kind == ParameterKind::kVector ? uint8_t{0} : uint8_t{1});
  }
  return decaying.to(device);
}

const uint8_t* bytes_of(const at::Tensor& decaying) {
  return decaying.defined() ? decaying.const_data_ptr<uint8_t>() : nullptr;
}

class KernelRule : public DeviceOptimizer {
 public:
  void update(at::Tensor& weights, const at::Tensor& gradient) final {
    WeightUpdate update{.size = weights.numel(),
                        .weights = weights.data_ptr<float>(),
                        .gradient = gradient.const_data_ptr<float>(),
                        .numbers = numbers_.number_at(StepNumbers::kLearningRate),  // and the two behind it
                        .average = average_share().defined() ? slots_.back().data_ptr<float>() : nullptr,
                        .values = values_};
    if (clip_norm()) {
      update.gradient_factor = clip_factor_.const_data_ptr<float>();
      kernels_.gradient_clip({.size = update.size,
                              .gradient = update.gradient,
                              .clip = static_cast<float>(*clip_norm()),
                              .parts = clip_parts_.data_ptr<float>(),
                              .factor = clip_factor_.data_ptr<float>()});
    }
    apply(update);
  }
  [[nodiscard]] bool renews_values() const final { return true; }

 protected:
  KernelRule(const ParameterLayout& layout, int slots, at::Device device, StepNumbers& numbers,
             const DeviceWeights& weights)
      : DeviceOptimizer(numbers),
        kernels_(*weights.kernels),
        values_(weights.values),
        clip_parts_(floats(1 + GradientClip::kMostParts, device)),
        clip_factor_(floats(1, device)) {
    for (int i = 0; i < slots; ++i) slots_.push_back(floats(layout.size, device));
  }

  DeviceKernels& kernels_;

 private:
  virtual void apply(const WeightUpdate& update) = 0;

  void* values_;
  at::Tensor clip_parts_, clip_factor_;
};

class KernelAdam final : public KernelRule {
 public:
  KernelAdam(const ParameterLayout& layout, double weight_decay, bool vectors_decay, at::Device device,
             StepNumbers& numbers, const DeviceWeights& weights)
      : KernelRule(layout, 2, device, numbers, weights),
        weight_decay_(weight_decay),
        decaying_(decaying_groups(layout, vectors_decay, device)) {}

 private:
  void prepare(double learning_rate, int64_t step) override {
    const AdamFactors factors = adam_factors(learning_rate, weight_decay_, step);
    numbers_.set(StepNumbers::kLearningRate, factors.rate);
    numbers_.set(StepNumbers::kDecayFactor, factors.keep);
  }

  void apply(const WeightUpdate& update) override {
    kernels_.adam({.update = update,
                   .m = slots_[0].data_ptr<float>(),
                   .v = slots_[1].data_ptr<float>(),
                   .new_share1 = kAdamNewShare1,
                   .new_share2 = kAdamNewShare2,
                   .epsilon = kAdamEpsilon,
                   .decays = weight_decay_ > 0,
                   .decaying = bytes_of(decaying_)});
  }

  double weight_decay_;
  at::Tensor decaying_;
};

class KernelSgd final : public KernelRule {
 public:
  KernelSgd(const ParameterLayout& layout, const Config& config, at::Device device, StepNumbers& numbers,
            const DeviceWeights& weights)
      : KernelRule(layout, config.momentum > 0 ? 1 : 0, device, numbers, weights),
        momentum_(config.momentum),
        nesterov_(config.nesterov),
        weight_decay_(weight_decay_of(config)),
        decaying_(decaying_groups(layout, config.decay_biases || weight_decay_ == 0, device)) {}

 private:
  void prepare(double learning_rate, int64_t) override {
    numbers_.set(StepNumbers::kLearningRate, static_cast<float>(learning_rate));
  }

  void apply(const WeightUpdate& update) override {
    kernels_.sgd({.update = update,
                  .velocity = momentum_ > 0 ? slots_[0].data_ptr<float>() : nullptr,
                  .momentum = static_cast<float>(momentum_),
                  .nesterov = nesterov_,
                  .decay = static_cast<float>(weight_decay_),
                  .decaying = bytes_of(decaying_)});
  }

  double momentum_;
  bool nesterov_;
  double weight_decay_;
  at::Tensor decaying_;
};

}  // namespace

std::unique_ptr<DeviceOptimizer> make_kernel_rule(const Config& config, const ParameterLayout& layout,
                                                  at::Device device, StepNumbers& numbers,
                                                  const DeviceWeights& weights) {
  switch (config.optimizer) {
    case OptimizerRule::kAdam:
      return std::make_unique<KernelAdam>(layout, 0.0, true, device, numbers, weights);
    case OptimizerRule::kAdamW:
      return std::make_unique<KernelAdam>(layout, weight_decay_of(config), config.decay_biases, device, numbers,
                                          weights);
    case OptimizerRule::kSgd:
      return std::make_unique<KernelSgd>(layout, config, device, numbers, weights);
    case OptimizerRule::kMuon:
      break;
  }
  throw machine_error("an optimizer has no rule for a device's kernels");
}

}  // namespace fer_ddp
