// One training step behind one interface: forward, backward, gradients summed over all ranks, one update of the
// weights. How it is computed is the implementation's choice; what it computes is not.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/expressions.h"
#include "core/kernel_time.h"
#include "core/pass_clock.h"
#include "core/prediction.h"
#include "data/dataset.h"
#include "data/image_views.h"
#include "data/sampler.h"
#include "data/share_images.h"

namespace fer_ddp {

// Sums, never averages: they add up over steps and ranks.
struct BatchSums {
  double loss = 0;  // sum over images
  int64_t correct = 0;
  int64_t images = 0;

  BatchSums& operator+=(const BatchSums& other) {
    loss += other.loss;
    correct += other.correct;
    images += other.images;
    return *this;
  }
};

struct EvaluationSums {
  double loss = 0;
  std::array<int64_t, kExpressionCount * kExpressionCount> confusion{};  // [label][called]
};

class TrainingStep {
 public:
  TrainingStep() = default;
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;
  virtual ~TrainingStep() = default;

  // Before the first step of an epoch, also of one that is resumed in its middle. `order`: the epoch's row at each
  // position, valid until the next call.
  virtual void begin_epoch(int epoch, std::span<const int32_t> order) = 0;

  // Collective. Begins one step; returns the sums of this rank's shares, as seen before the update, in those steps that
  // are done and were not returned yet: this one, or earlier ones where a device computes while the host goes on.
  virtual BatchSums run(const BatchShare& share, double learning_rate) = 0;

  // Collective: every rank calls it, at the same place between the steps, since the fused step's ranks each hold a
  // slice of the optimizer's state and gather the whole here. Waits for all steps begun, and returns their sums that
  // were not returned yet. From then until the next run() the model and the optimizer that the step was made with hold
  // the newest state.
  virtual BatchSums synchronize() = 0;

  // Not collective. The model or the optimizer were changed from outside: the next step starts from what they hold now.
  virtual void reload() = 0;

  // What was chosen on this machine of ways to compute that differ in their last bits, as text, alike on all ranks;
  // empty: there was nothing to choose. A run that goes on takes over what it began with, if that is of such a machine;
  // not collective, before the first step.
  [[nodiscard]] virtual std::string choices() const { return {}; }
  virtual void use_choices(const std::string& /*choices*/) {}

  // What computes the step, as words behind "the step is computed by"; empty: as the configuration lets expect.
  [[nodiscard]] virtual std::string computed_by() const { return {}; }

  // Where the time of all steps so far went on this rank; empty where the step does not count it.
  [[nodiscard]] virtual std::vector<PassTime> pass_times() const { return {}; }

  // What a device's kernels had to do in all steps so far, and their times, which are waited for; empty where none are
  // kept (DeviceRuntime::keep_kernel_times()). Throws Error (the machine's fault).
  [[nodiscard]] virtual std::vector<KernelTime> kernel_times() const { return {}; }

  // Loss and confusion matrix of rows of a split, BatchNorm by its running statistics, no dropout. Collective, in
  // that every rank calls it; each gets the sums of its own rows.
  [[nodiscard]] EvaluationSums evaluate(const Dataset& dataset, Split split, PositionRange rows) {
    return evaluate_each(dataset, split, rows, {});
  }

  // The same, and what is said of each of the rows into `predictions`, of as many elements; of none: not asked for.
  [[nodiscard]] virtual EvaluationSums evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                                     std::span<ImagePrediction> predictions) = 0;

  // The probability of each expression, of rows of a split as `view` shows them: [rows][kExpressionCount]. Otherwise as
  // evaluate().
  [[nodiscard]] virtual std::vector<float> probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                                         const ImageView& view) = 0;
};

}  // namespace fer_ddp
