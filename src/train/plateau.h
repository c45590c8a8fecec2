// Learning-rate reduction on a plateau, to the letter of keras.callbacks.ReduceLROnPlateau (Keras 3), which differs
// from PyTorch's: it fires when wait >= patience, its threshold is absolute, and the cooldown counts down before the
// test. A value type: no clock, no I/O, no communication. Its state goes into the checkpoint.
#pragma once

#include <optional>

#include "train/metric_direction.h"

namespace fer_ddp {

struct PlateauOptions {
  std::optional<int> patience = 5;  // epochs without improvement before a reduction; 0 acts as 1; none: never reduces
  double factor = 0.1;              // in (0, 1)
  double min_delta = 1e-4;          // smallest change that counts, absolute
  int cooldown = 0;                 // epochs after a reduction that are not counted
  double min_learning_rate = 0.0;
};

// What it has seen so far.
struct PlateauState {
  std::optional<double> best{};
  int wait = 0;  // epochs since the last improvement or reduction
  int cooldown_left = 0;
};

class Plateau {
 public:
  Plateau(PlateauOptions options, MetricDirection direction) : options_(options), direction_(direction) {}

  // Takes an epoch's metric (none if it is missing) and the learning rate it was trained with; returns the next
  // epoch's.
  [[nodiscard]] double observe(std::optional<double> value, double learning_rate);

  [[nodiscard]] const PlateauState& state() const { return state_; }
  void restore(const PlateauState& state) { state_ = state; }

 private:
  PlateauOptions options_;
  MetricDirection direction_;
  PlateauState state_;
};

}  // namespace fer_ddp
