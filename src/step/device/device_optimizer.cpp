#include "step/device/device_optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace fer_ddp {

namespace {

at::Tensor scalar(at::Device device) { return at::zeros({}, at::TensorOptions(at::kFloat).device(device)); }

at::Tensor zeros(int64_t size, at::Device device) {
  return at::zeros({size}, at::TensorOptions(at::kFloat).device(device));
}

class DeviceAdam final : public DeviceOptimizer {
 public:
  DeviceAdam(int64_t size, double weight_decay, at::Device device)
      : weight_decay_(weight_decay), rate_(scalar(device)), keep_(scalar(device)) {
    slots_ = {zeros(size, device), zeros(size, device)};
  }

  void begin_step(double learning_rate, int64_t step) override {
    const AdamFactors factors = adam_factors(learning_rate, weight_decay_, step);
    rate_.fill_(factors.rate);
    keep_.fill_(factors.keep);
  }

  void update(at::Tensor& weights, const at::Tensor& gradient) override {
    at::Tensor& m = slots_[0];
    at::Tensor& v = slots_[1];
    m.add_((gradient - m).mul_(kAdamNewShare1));
    v.add_((gradient * gradient).sub_(v).mul_(kAdamNewShare2));
    const at::Tensor change = (m * rate_).div_(v.sqrt().add_(kAdamEpsilon));
    if (weight_decay_ > 0) weights.mul_(keep_);
    weights.sub_(change);
  }

 private:
  double weight_decay_;
  at::Tensor rate_;
  at::Tensor keep_;
};

class DeviceSgd final : public DeviceOptimizer {
 public:
  DeviceSgd(int64_t size, double momentum, at::Device device) : momentum_(momentum), rate_(scalar(device)) {
    if (momentum > 0) slots_ = {zeros(size, device)};
  }

  void begin_step(double learning_rate, int64_t) override { rate_.fill_(learning_rate); }

  void update(at::Tensor& weights, const at::Tensor& gradient) override {
    if (slots_.empty()) {
      weights.sub_(gradient * rate_);
    } else {
      slots_[0].mul_(momentum_).sub_(gradient * rate_);
      weights.add_(slots_[0]);
    }
  }

 private:
  double momentum_;
  at::Tensor rate_;
};

}  // namespace

std::unique_ptr<DeviceOptimizer> make_device_optimizer(const Config& config, int64_t size, at::Device device) {
  if (config.optimizer == "Adam") return std::make_unique<DeviceAdam>(size, 0.0, device);
  if (config.optimizer == "AdamW") return std::make_unique<DeviceAdam>(size, config.weight_decay, device);
  if (config.optimizer == "SGD") return std::make_unique<DeviceSgd>(size, config.momentum, device);
  throw machine_error(
      fmt::format("optimizer {} is in the option table but has no rule for a device", config.optimizer));
}

}  // namespace fer_ddp
