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

StatusBoard::StatusBoard(StatusSnapshot first)
    : ranks_(std::exchange(first.ranks, {})),
      snapshot_(std::move(first)),
      history_(std::make_shared<const std::vector<EpochRecord>>()) {}

void StatusBoard::update(const std::function<void(StatusSnapshot&)>& change) {
  const std::scoped_lock lock(mutex_);
  change(snapshot_);
  ++version_;
}

void StatusBoard::set_history(std::vector<EpochRecord> history) {
  const auto latest = history.empty() ? std::nullopt : std::optional(history.back());
  const auto best_by_loss = record_of(history, best_epoch_by_loss(history));
  const auto best_by_accuracy = record_of(history, best_epoch_by_accuracy(history));
  auto shared = std::make_shared<const std::vector<EpochRecord>>(std::move(history));

  const std::scoped_lock lock(mutex_);
  history_.swap(shared);
  snapshot_.latest_epoch = latest;
  snapshot_.best_epoch_by_loss = best_by_loss;
  snapshot_.best_epoch_by_accuracy = best_by_accuracy;
  ++version_;
}

StatusSnapshot StatusBoard::snapshot() const {
  StatusSnapshot copy = [this] {
    const std::scoped_lock lock(mutex_);
    return snapshot_;
  }();
  copy.ranks = ranks_;
  copy.elapsed_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return copy;
}

std::vector<EpochRecord> StatusBoard::history() const {
  const auto shared = [this] {
    const std::scoped_lock lock(mutex_);
    return history_;
  }();
  return *shared;
}

}  // namespace fer_ddp
