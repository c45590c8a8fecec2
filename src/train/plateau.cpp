#include "train/plateau.h"

#include <algorithm>

namespace fer_ddp {

double Plateau::observe(std::optional<double> value, double learning_rate) {
  if (!value || !options_.patience) return learning_rate;
  if (state_.cooldown_left > 0) {
    --state_.cooldown_left;
    state_.wait = 0;
  }
  if (is_improvement(*value, state_.best, options_.min_delta, direction_)) {
    state_.best = value;
    state_.wait = 0;
    return learning_rate;
  }
  if (state_.cooldown_left > 0) return learning_rate;
  ++state_.wait;
  // At the lowest rate the wait goes on counting, as in Keras.
  if (state_.wait < *options_.patience || learning_rate <= options_.min_learning_rate) return learning_rate;
  state_.cooldown_left = options_.cooldown;
  state_.wait = 0;
  return std::max(learning_rate * options_.factor, options_.min_learning_rate);
}

}  // namespace fer_ddp
