#include "status/board.h"

#include <utility>

namespace fer_ddp {

namespace {

std::optional<EpochRecord> record_of(const std::vector<EpochRecord>& history, std::optional<int> epoch) {
  for (const EpochRecord& record : history)
    if (epoch == record.epoch) return record;
  return std::nullopt;
}

}  // namespace

StatusBoard::StatusBoard(StatusSnapshot first) : snapshot_(std::move(first)) {}

void StatusBoard::update(const std::function<void(StatusSnapshot&)>& change) {
  const std::scoped_lock lock(mutex_);
  change(snapshot_);
  ++version_;
}

void StatusBoard::set_history(std::vector<EpochRecord> history) {
  const std::scoped_lock lock(mutex_);
  history_ = std::move(history);
  snapshot_.latest_epoch = history_.empty() ? std::nullopt : std::optional(history_.back());
  snapshot_.best_epoch_by_loss = record_of(history_, best_epoch_by_loss(history_));
  snapshot_.best_epoch_by_accuracy = record_of(history_, best_epoch_by_accuracy(history_));
  ++version_;
}

StatusSnapshot StatusBoard::snapshot() const {
  const std::scoped_lock lock(mutex_);
  StatusSnapshot copy = snapshot_;
  copy.elapsed_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return copy;
}

std::vector<EpochRecord> StatusBoard::history() const {
  const std::scoped_lock lock(mutex_);
  return history_;
}

}  // namespace fer_ddp
