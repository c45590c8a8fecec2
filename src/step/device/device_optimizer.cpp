#include "step/device/device_optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <map>
#include <utility>

#include "core/error.h"
#include "optim/newton_schulz.h"
#include "step/device/kernel_rules.h"

namespace fer_ddp {

namespace {

at::Tensor zeros(size_t size, at::Device device) {
  return at::zeros({static_cast<int64_t>(size)}, at::TensorOptions(at::kFloat).device(device));
}

at::Tensor piece(const at::Tensor& flat, const ParameterPlace& place) {
  return flat.narrow(0, static_cast<int64_t>(place.range.begin), static_cast<int64_t>(place.range.size()));
}

// A number for each element, by its parameter.
template <typename NumberOf>
at::Tensor by_parameter(const ParameterLayout& layout, at::Device device, NumberOf number_of) {
  at::Tensor numbers = zeros(layout.size, device);
  for (const ParameterPlace& place : layout.places) piece(numbers, place).fill_(number_of(place));
  return numbers;
}

// 1 where weights decay; undefined: everywhere.
at::Tensor decay_mask(const ParameterLayout& layout, bool vectors_decay, at::Device device) {
  if (vectors_decay) return {};
  return by_parameter(layout, device,
                      [](const ParameterPlace& place) { return place.kind == ParameterKind::kVector ? 0.0 : 1.0; });
}

// A rule by LibTorch's operators, with clipping before it and averages behind.
class OperatorRule : public DeviceOptimizer {
 public:
  using DeviceOptimizer::DeviceOptimizer;

  void update(at::Tensor& weights, const at::Tensor& gradient) final {
    if (clip_norm()) {
      const at::Tensor norm = (gradient * gradient).sum().sqrt_();
      apply(weights, gradient * norm.clamp_min(*clip_norm()).reciprocal().mul_(*clip_norm()));
    } else {
      apply(weights, gradient);
    }
    if (!average_share().defined()) return;
    at::Tensor& average = slots_.back();
    average.add_((weights - average).mul_(average_share()));
  }
  [[nodiscard]] bool renews_values() const final { return false; }

 private:
  virtual void apply(at::Tensor& weights, const at::Tensor& gradient) = 0;
};

class OperatorAdam final : public OperatorRule {
 public:
  OperatorAdam(const ParameterLayout& layout, double weight_decay, bool vectors_decay, at::Device device,
               StepNumbers& numbers)
      : OperatorRule(numbers), weight_decay_(weight_decay), mask_(decay_mask(layout, vectors_decay, device)) {
    slots_ = {zeros(layout.size, device), zeros(layout.size, device)};
  }

 private:
  void apply(at::Tensor& weights, const at::Tensor& gradient) override {
    const at::Tensor rate = numbers_.number(StepNumbers::kLearningRate);
    const at::Tensor keep = numbers_.number(StepNumbers::kDecayFactor);
    at::Tensor& m = slots_[0];
    at::Tensor& v = slots_[1];
    m.add_((gradient - m).mul_(kAdamNewShare1));
    v.add_((gradient * gradient).sub_(v).mul_(kAdamNewShare2));
    const at::Tensor change = (m * rate).div_(v.sqrt().add_(kAdamEpsilon));
    if (weight_decay_ > 0) weights.mul_(mask_.defined() ? (mask_ * (keep - 1.0F)).add_(1.0F) : keep);
    weights.sub_(change);
  }

  double weight_decay_;
  at::Tensor mask_;
};

class OperatorSgd final : public OperatorRule {
 public:
  OperatorSgd(const ParameterLayout& layout, const Config& config, at::Device device, StepNumbers& numbers)
      : OperatorRule(numbers),
        momentum_(config.momentum),
        nesterov_(config.nesterov),
        weight_decay_(weight_decay_of(config)),
        mask_(decay_mask(layout, config.decay_biases, device)) {
    if (momentum_ > 0) slots_ = {zeros(layout.size, device)};
  }

 private:
  void apply(at::Tensor& weights, const at::Tensor& gradient) override {
    at::Tensor change = gradient;
    if (weight_decay_ > 0) change = change + (mask_.defined() ? weights * mask_ : weights) * weight_decay_;
    change = change * numbers_.number(StepNumbers::kLearningRate);
    if (momentum_ == 0) {
      weights.sub_(change);
      return;
    }
    slots_[0].mul_(momentum_).sub_(change);
    weights.add_(nesterov_ ? (slots_[0] * momentum_).sub_(change) : slots_[0]);
  }

  double momentum_;
  bool nesterov_;
  double weight_decay_;
  at::Tensor mask_;
};

// Both of its rules over the whole buffers, with numbers by element; only the filters' directions go through
// Newton-Schulz between, those of one shape at once.
class OperatorMuon final : public OperatorRule {
 public:
  OperatorMuon(const ParameterLayout& layout, const Config& config, at::Device device, StepNumbers& numbers)
      : OperatorRule(numbers),
        weight_decay_(weight_decay_of(config)),
        other_rate_(config.other_learning_rate / config.learning_rate) {
    const auto choose = [&](double of_filters, double of_others, double of_vectors) {
      return by_parameter(layout, device, [=](const ParameterPlace& place) {
        if (place.kind == ParameterKind::kFilters) return of_filters;
        return place.kind == ParameterKind::kVector ? of_vectors : of_others;
      });
    };
    momentum_ = choose(config.momentum, config.other_momentum, config.other_momentum);
    added_decay_ = choose(0.0, config.other_weight_decay, config.decay_biases ? config.other_weight_decay : 0.0);
    is_filter_ = choose(1.0, 0.0, 0.0);
    rates_ = choose(1.0, other_rate_, other_rate_);
    for (const ParameterPlace& place : layout.places)
      if (place.kind == ParameterKind::kFilters) filters_[{place.rows, place.columns}].push_back(place);
    slots_ = {zeros(layout.size, device)};
  }

 private:
  void apply(at::Tensor& weights, const at::Tensor& gradient) override {
    const at::Tensor decayed = gradient + weights * added_decay_;
    slots_[0].mul_(momentum_).add_(decayed);
    at::Tensor direction = decayed + slots_[0] * momentum_;
    for (const auto& [shape, places] : filters_) orthogonalize(direction, places);
    if (weight_decay_ > 0) weights.mul_((is_filter_ * numbers_.number(StepNumbers::kDecayFactor)).neg_().add_(1.0F));
    weights.sub_(direction.mul_(rates_).mul_(numbers_.number(StepNumbers::kLearningRate)));
  }

  static void orthogonalize(at::Tensor& direction, const std::vector<ParameterPlace>& places) {
    std::vector<at::Tensor> matrices;
    matrices.reserve(places.size());
    for (const ParameterPlace& place : places)
      matrices.push_back(piece(direction, place).view({place.rows, place.columns}));
    const at::Tensor orthogonal = newton_schulz(at::stack(matrices)).mul_(muon_scale(places.front()));
    for (size_t i = 0; i < matrices.size(); ++i) matrices[i].copy_(orthogonal.select(0, static_cast<int64_t>(i)));
  }

  double weight_decay_;
  double other_rate_;
  at::Tensor momentum_, added_decay_, is_filter_, rates_;                       // by element
  std::map<std::pair<int64_t, int64_t>, std::vector<ParameterPlace>> filters_;  // by shape
};

std::unique_ptr<DeviceOptimizer> make_operator_rule(const Config& config, const ParameterLayout& layout,
                                                    at::Device device, StepNumbers& numbers) {
  switch (config.optimizer) {
    case OptimizerRule::kAdam:
      return std::make_unique<OperatorAdam>(layout, 0.0, true, device, numbers);
    case OptimizerRule::kAdamW:
      return std::make_unique<OperatorAdam>(layout, weight_decay_of(config), config.decay_biases, device, numbers);
    case OptimizerRule::kSgd:
      return std::make_unique<OperatorSgd>(layout, config, device, numbers);
    case OptimizerRule::kMuon:
      return std::make_unique<OperatorMuon>(layout, config, device, numbers);
  }
  throw machine_error("an optimizer has no rule for a device");
}

}  // namespace

void DeviceOptimizer::begin_step(double learning_rate, int64_t step) {
  if (average_share_.defined())
    numbers_.set(StepNumbers::kAverageShare,
                 static_cast<float>(fer_ddp::average_share(*config_.average_weights, step)));
  set_rule_numbers(learning_rate, step);
}

void DeviceOptimizer::set_rule_numbers(double learning_rate, int64_t step) {
  const auto set_adam = [&](double weight_decay) {
    const AdamFactors factors = adam_factors(learning_rate, weight_decay, step);
    numbers_.set(StepNumbers::kLearningRate, factors.rate);
    numbers_.set(StepNumbers::kDecayFactor, factors.keep);
  };
  switch (config_.optimizer) {
    case OptimizerRule::kAdam:
      return set_adam(0.0);
    case OptimizerRule::kAdamW:
      return set_adam(weight_decay_of(config_));
    case OptimizerRule::kSgd:
      return numbers_.set(StepNumbers::kLearningRate, static_cast<float>(learning_rate));
    case OptimizerRule::kMuon:
      numbers_.set(StepNumbers::kLearningRate, static_cast<float>(learning_rate));
      numbers_.set(StepNumbers::kDecayFactor, static_cast<float>(learning_rate * weight_decay_of(config_)));
  }
}

void DeviceOptimizer::begin_average(const at::Tensor& weights) {
  if (average_share_.defined()) slots_.back().copy_(weights);
}

std::unique_ptr<DeviceOptimizer> make_device_optimizer(const Config& config, const ParameterLayout& layout,
                                                       at::Device device, StepNumbers& numbers,
                                                       const DeviceWeights& weights) {
  std::unique_ptr<DeviceOptimizer> optimizer = weights.kernels == nullptr
                                                   ? make_operator_rule(config, layout, device, numbers)
                                                   : make_kernel_rule(config, layout, device, numbers, weights);
  optimizer->config_ = config;
  if (config.average_weights) {
    optimizer->average_share_ = numbers.number(StepNumbers::kAverageShare);
    optimizer->slots_.push_back(zeros(layout.size, device));
  }
  return optimizer;
}

}  // namespace fer_ddp
