// Update rules on flat fp32 buffers, to the letter of keras.optimizers (Keras 3): one pass over weights, gradient and
// slots.
//
//   Adam:  m += (g - m)(1 - 0.9);  v += (g^2 - v)(1 - 0.999)
//          w -= lr * sqrt(1 - 0.999^t) / (1 - 0.9^t) * m / (sqrt(v) + 1e-7)
//
//   AdamW: w -= lr * weight_decay * w, then Adam; biases and BatchNorm decay like the rest, as in Keras
//
//   SGD:   w -= lr * g;  with momentum: u = momentum * u - lr * g;  w += u
//
// Adam's epsilon stands outside the bias correction, where PyTorch's does not. Not thread-safe as a whole; update() may
// be called for disjoint ranges at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"

namespace fer_ddp {

class Optimizer {
 public:
  Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  // Begins step `step_count() + 1`: fixes its learning rate and bias correction for the update() calls that follow.
  void begin_step(double learning_rate);

  // Updates weights[begin, end) from gradient[begin, end); all buffers have size().
  virtual void update(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) = 0;

  // Steps taken so far, and the slot buffers by name ("m", "v"): what a checkpoint holds beside the weights.
  [[nodiscard]] int64_t step_count() const { return step_count_; }
  void set_step_count(int64_t count) { step_count_ = count; }
  struct Slot {
    std::string name;
    std::vector<float> values;
  };
  [[nodiscard]] std::vector<Slot>& slots() { return slots_; }
  [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }

 protected:
  virtual void prepare(double learning_rate, int64_t step) = 0;
  std::vector<Slot> slots_;

 private:
  int64_t step_count_ = 0;
};

// Adam's constants, and what changes from step to step. The shares are rounded once, from fp64, as Keras does.
inline constexpr double kAdamBeta1 = 0.9;
inline constexpr double kAdamBeta2 = 0.999;
inline constexpr auto kAdamNewShare1 = static_cast<float>(1.0 - kAdamBeta1);
inline constexpr auto kAdamNewShare2 = static_cast<float>(1.0 - kAdamBeta2);
inline constexpr float kAdamEpsilon = 1e-7F;
struct AdamFactors {
  float rate = 0;  // lr * sqrt(1 - 0.999^t) / (1 - 0.9^t)
  float keep = 1;  // what AdamW's decay leaves of a weight
};
[[nodiscard]] AdamFactors adam_factors(double learning_rate, double weight_decay, int64_t step);

// The rule of config.optimizer for `size` weights, all slots zero.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(const Config& config, size_t size);

}  // namespace fer_ddp
