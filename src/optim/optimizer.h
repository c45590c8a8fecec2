// Update rules on flat fp32 buffers: one pass over weights, gradient and slots, of any part of them. Adam, AdamW and
// SGD's momentum follow keras.optimizers (Keras 3) to the letter.
//
//   Adam:  m += (g - m)(1 - 0.9);  v += (g^2 - v)(1 - 0.999)
//          w -= lr * sqrt(1 - 0.999^t) / (1 - 0.9^t) * m / (sqrt(v) + 1e-7)
//
//   AdamW: w -= lr * weight_decay * w, then Adam
//
//   SGD:   g += weight_decay * w (the L2 term of PyTorch's SGD);
//          w -= lr * g;  with momentum: u = momentum * u - lr * g;  w += u, by Nesterov w += momentum * u - lr * g
//
//   Muon:  filters, as matrices [rows, columns] (Jordan and others 2024; optim/newton_schulz.h):
//          m = momentum * m + g;  w -= lr * weight_decay * w
//          w -= lr * sqrt(max(1, rows / columns)) * newton_schulz(g + momentum * m)
//          all else, its rate in the same proportion to learning_rate as configured:
//          g += other_weight_decay * w;  m = other_momentum * m + g;  w -= other_lr * (g + other_momentum * m)
//
// Vectors (biases, BatchNorm) decay like the rest, as in Keras, unless decay_biases is off. Adam's epsilon stands
// outside the bias correction, where PyTorch's does not. gradient_clip_norm is Keras' global_clipnorm: every gradient
// is multiplied by clip / max(norm of all, clip). average_weights keeps a running average of the weights as one more
// slot (slots()): after step t, from 0, average = d * average + (1 - d) * w with d = min(average_weights, (1 + t) / (10
// + t)), beginning with the weights before the first step.
//
// Not thread-safe as a whole; update() may be called for disjoint parts at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/parameter_layout.h"

namespace fer_ddp {

// A part of the buffers that is updated at once, by one thread of one rank: a matrix, or a block of what is updated
// element by element. Where pieces begin and end depends on the layout alone.
struct UpdatePiece {
  FlatRange range;
  double cost = 0;  // in elements' updates, roughly
  bool is_matrix = false;
};

class Optimizer {
 public:
  explicit Optimizer(const ParameterLayout& layout) : layout_(layout) {}
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  // Begins step `step_count() + 1`: fixes its learning rate and bias correction for the update() calls that follow.
  void begin_step(double learning_rate);

  // Where it clips: told the sum of the squares of the whole gradient, between begin_step() and the first update().
  [[nodiscard]] bool clips() const { return clip_norm_.has_value(); }
  void clip(double squared_norm);

  // Updates weights[begin, end) from gradient[begin, end), which is scaled in place where it is clipped; all buffers
  // have the layout's size. A matrix among pieces() is updated as a whole, by LibTorch: its bits do not depend on the
  // number of threads where it is called from within at::parallel_for, or there is but one thread.
  void update(std::span<float> weights, std::span<float> gradient, size_t begin, size_t end);

  // All of the buffers, ascending.
  [[nodiscard]] const std::vector<UpdatePiece>& pieces() const { return pieces_; }

  // Steps taken so far, and the slot buffers by name ("m", "v"): what a checkpoint holds beside the weights.
  [[nodiscard]] int64_t step_count() const { return step_count_; }
  void set_step_count(int64_t count) { step_count_ = count; }
  struct Slot {
    std::string name;
    std::vector<float> values;
  };
  [[nodiscard]] std::vector<Slot>& slots() { return slots_; }
  [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }

  // The slot of the averaged weights; empty where none are kept.
  [[nodiscard]] std::span<float> average();
  // The share of the new weights in the average of the step that was begun last.
  [[nodiscard]] double average_share() const;

 protected:
  virtual void prepare(double learning_rate, int64_t step) = 0;
  virtual void apply(std::span<float> weights, std::span<const float> gradient, size_t begin, size_t end) = 0;

  ParameterLayout layout_;
  std::vector<Slot> slots_;

 private:
  friend std::unique_ptr<Optimizer> make_optimizer(const Config& config, const ParameterLayout& layout);

  std::vector<UpdatePiece> pieces_;
  std::optional<double> clip_norm_;
  std::optional<double> average_decay_;
  float gradient_scale_ = 1;
  int64_t step_count_ = 0;
};

// The rule of config.optimizer for parameters that lie like this, all slots zero.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(const Config& config, const ParameterLayout& layout);

// Sum of squares, in one order, for clipping.
[[nodiscard]] double squared_sum(std::span<const float> values);

// Which of the pieces each of `members` works on, of about equal cost: blocks lie side by side.
[[nodiscard]] std::vector<std::vector<size_t>> shared_out(std::span<const UpdatePiece> pieces, int members);

// What the rules share with those for a device (step/device/device_optimizer.h).

[[nodiscard]] double weight_decay_of(const Config& config);      // null resolved
[[nodiscard]] double average_share(double decay, int64_t step);  // of the new weights; step from 1
[[nodiscard]] float clip_factor(double norm, double clip);       // of the gradient
[[nodiscard]] double muon_scale(const ParameterPlace& filters);  // of a matrix' learning rate

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

}  // namespace fer_ddp
