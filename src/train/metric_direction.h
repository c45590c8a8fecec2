// Which way a monitored metric improves, and the improvement test that early stopping and the plateau share, to the
// letter of Keras: min mode `current + |min_delta| < best`, max mode `current - |min_delta| > best`; the first value
// seen always improves. NaN never does: a run that recovers from it can still find its best epoch (Keras 3 would accept
// a first NaN and then nothing beats it).
#pragma once

#include <cmath>
#include <optional>

#include "core/choices.h"

namespace fer_ddp {

enum class MetricDirection { kMinimize, kMaximize };

[[nodiscard]] inline MetricDirection direction_of(Monitor monitor) {
  return monitor == Monitor::kValidationAccuracy ? MetricDirection::kMaximize : MetricDirection::kMinimize;
}

[[nodiscard]] inline bool is_improvement(double current, const std::optional<double>& best, double min_delta,
                                         MetricDirection direction) {
  if (std::isnan(current)) return false;
  if (!best) return true;
  return direction == MetricDirection::kMinimize ? current + std::abs(min_delta) < *best
                                                 : current - std::abs(min_delta) > *best;
}

}  // namespace fer_ddp
