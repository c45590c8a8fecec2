#include "optim/optimizer.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace fer_ddp {

void Optimizer::begin_step(double learning_rate) {
  ++step_count_;
  prepare(learning_rate, step_count_);
}

namespace {

class Adam final : public Optimizer {
 public:
  Adam(size_t size, double weight_decay) : weight_decay_(weight_decay) {
    slots_ = {{"m", std::vector<float>(size)}, {"v", std::vector<float>(size)}};
  }

  void update(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) override {
    float* __restrict w = weights.data();
    const float* __restrict g = gradient.data();
    float* __restrict m = slots_[0].values.data();
    float* __restrict v = slots_[1].values.data();
    for (size_t i = begin; i < end; ++i) {
      m[i] += (g[i] - m[i]) * kNewShare1;
      v[i] += (g[i] * g[i] - v[i]) * kNewShare2;
      w[i] = w[i] * keep_ - rate_ * m[i] / (std::sqrt(v[i]) + kEpsilon);
    }
  }

 private:
  static constexpr double kBeta1 = 0.9;
  static constexpr double kBeta2 = 0.999;
  static constexpr auto kNewShare1 = static_cast<float>(1.0 - kBeta1);  // rounded once, from fp64, as Keras does
  static constexpr auto kNewShare2 = static_cast<float>(1.0 - kBeta2);
  static constexpr float kEpsilon = 1e-7F;

  void prepare(double learning_rate, int64_t step) override {
    const auto t = static_cast<double>(step);
    rate_ = static_cast<float>(learning_rate * std::sqrt(1.0 - std::pow(kBeta2, t)) / (1.0 - std::pow(kBeta1, t)));
    keep_ = static_cast<float>(1.0 - learning_rate * weight_decay_);
  }

  double weight_decay_;
  float rate_ = 0;
  float keep_ = 1;
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
