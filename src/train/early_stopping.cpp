#include "train/early_stopping.h"

namespace fer_ddp {

StopVerdict EarlyStopping::observe(int epoch, std::optional<double> value) {
  if (!value || epoch < options_.start_from_epoch) return {};
  StopVerdict verdict{.is_best = !state_.weights_kept};
  state_.weights_kept = true;
  ++state_.wait;
  if (is_improvement(*value, state_.best, options_.min_delta, direction_)) {
    state_.best = value;
    state_.wait = 0;
    verdict.is_best = true;
    return verdict;
  }
  verdict.stop = is_exhausted(epoch);
  return verdict;
}

bool EarlyStopping::is_exhausted(int epoch) const {
  return options_.patience && state_.wait > 0 && state_.wait >= *options_.patience && epoch > 0;
}

}  // namespace fer_ddp
