// Early stopping, to the letter of keras.callbacks.EarlyStopping (Keras 3). A value type: no clock, no I/O, no
// communication. Rank 0 feeds it one reduced metric an epoch; its state goes into the checkpoint.
#pragma once

#include <optional>

#include "train/metric_direction.h"

namespace fer_ddp {

struct EarlyStoppingOptions {
  std::optional<int> patience = 7;  // epochs without improvement before stopping; 0 acts as 1; none: never stops
  double min_delta = 0.0;           // smallest change that counts, in the metric's own unit
  int start_from_epoch = 0;         // epochs before this one are not looked at
};

// What it has seen so far.
struct EarlyStoppingState {
  std::optional<double> best{};
  bool weights_kept = false;
  int wait = 0;  // epochs since the last improvement
};

struct StopVerdict {
  bool is_best = false;  // keep this epoch's weights: the best so far, or the first that was looked at
  bool stop = false;
};

class EarlyStopping {
 public:
  EarlyStopping(EarlyStoppingOptions options, MetricDirection direction) : options_(options), direction_(direction) {}

  // Takes the metric of `epoch` (from 0, rising by one); none if it is missing. NaN never counts as an improvement.
  [[nodiscard]] StopVerdict observe(int epoch, std::optional<double> value);

  // Has patience run out, by what was seen up to `epoch`? True of every epoch whose verdict was to stop.
  [[nodiscard]] bool is_exhausted(int epoch) const;

  [[nodiscard]] const EarlyStoppingState& state() const { return state_; }
  void restore(const EarlyStoppingState& state) { state_ = state; }

 private:
  EarlyStoppingOptions options_;
  MetricDirection direction_;
  EarlyStoppingState state_;
};

}  // namespace fer_ddp
