#include "core/epoch_record.h"

#include <cmath>

namespace fer_ddp {

namespace {

// The first epoch whose value is better than all before it. A comparison with NaN is false, so that NaN is never
// better.
template <class Better>
std::optional<int> best_epoch(std::span<const EpochRecord> history, double EpochRecord::*metric, Better better) {
  const EpochRecord* best = nullptr;
  for (const EpochRecord& record : history) {
    const bool first = best == nullptr && !std::isnan(record.*metric);
    if (first || (best != nullptr && better(record.*metric, best->*metric))) best = &record;
  }
  return best == nullptr ? std::nullopt : std::optional(best->epoch);
}

}  // namespace

std::optional<int> best_epoch_by_loss(std::span<const EpochRecord> history) {
  return best_epoch(history, &EpochRecord::val_loss, [](double value, double best) { return value < best; });
}

std::optional<int> best_epoch_by_accuracy(std::span<const EpochRecord> history) {
  return best_epoch(history, &EpochRecord::val_accuracy, [](double value, double best) { return value > best; });
}

}  // namespace fer_ddp
