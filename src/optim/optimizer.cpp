#include "optim/optimizer.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/multiversion.h"

namespace fer_ddp {

void Optimizer::begin_step(double learning_rate) {
  ++step_count_;
  prepare(learning_rate, step_count_);
}

AdamFactors adam_factors(double learning_rate, double weight_decay, int64_t step) {
  const auto t = static_cast<double>(step);
  return {.rate = static_cast<float>(learning_rate * std::sqrt(1.0 - std::pow(kAdamBeta2, t)) /
                                     (1.0 - std::pow(kAdamBeta1, t))),
          .keep = static_cast<float>(1.0 - learning_rate * weight_decay)};
}

namespace {

// Element by element, so that every version of it gives the same numbers.
FER_DDP_MULTIVERSION void update_by_adam(AdamFactors factors, size_t count, const float* __restrict g,
                                         float* __restrict m, float* __restrict v, float* __restrict w) {
  for (size_t i = 0; i < count; ++i) {
    m[i] += (g[i] - m[i]) * kAdamNewShare1;
    v[i] += (g[i] * g[i] - v[i]) * kAdamNewShare2;
    w[i] = w[i] * factors.keep - factors.rate * m[i] / (std::sqrt(v[i]) + kAdamEpsilon);
  }
}

class Adam final : public Optimizer {
 public:
  Adam(size_t size, double weight_decay) : weight_decay_(weight_decay) {
    slots_ = {{"m", std::vector<float>(size)}, {"v", std::vector<float>(size)}};
  }

  void update(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) override {
    update_by_adam(factors_, end - begin, gradient.data() + begin, slots_[0].values.data() + begin,
                   slots_[1].values.data() + begin, weights.data() + begin);
  }

 private:
  void prepare(double learning_rate, int64_t step) override {
    factors_ = adam_factors(learning_rate, weight_decay_, step);
  }

  double weight_decay_;
  AdamFactors factors_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(size_t size, double momentum) : momentum_(static_cast<float>(momentum)) {
    if (momentum > 0) slots_ = {{"momentum", std::vector<float>(size)}};
  }

  void update(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) override {
    if (slots_.empty()) {
      for (size_t i = begin; i < end; ++i) weights[i] -= rate_ * gradient[i];
      return;
    }
    std::vector<float>& velocity = slots_[0].values;
    for (size_t i = begin; i < end; ++i) {
      velocity[i] = momentum_ * velocity[i] - rate_ * gradient[i];
      weights[i] += velocity[i];
    }
  }

 private:
  void prepare(double learning_rate, int64_t) override { rate_ = static_cast<float>(learning_rate); }

  float momentum_;
  float rate_ = 0;
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const Config& config, size_t size) {
  if (config.optimizer == "Adam") return std::make_unique<Adam>(size, 0.0);
  if (config.optimizer == "AdamW") return std::make_unique<Adam>(size, config.weight_decay);
  if (config.optimizer == "SGD") return std::make_unique<Sgd>(size, config.momentum);
  throw machine_error(fmt::format("optimizer {} is in the option table but has no rule", config.optimizer));
}

}  // namespace fer_ddp
