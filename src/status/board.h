// The meeting place of the trainer, which writes where it is, and the status service's threads, which read it. Every
// function is thread-safe. Writing changes a few numbers under a mutex, which readers hold only while they copy a few
// hundred bytes; it never waits for a watcher.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "status/snapshot.h"

namespace fer_ddp {

class StatusBoard {
 public:
  // The ranks are those of `first`, for good.
  explicit StatusBoard(StatusSnapshot first);

  // Changes the snapshot in place (its `ranks` are empty there). `change` must be quick and not call the board.
  void update(const std::function<void(StatusSnapshot&)>& change);

  // Replaces the finished epochs; latest and best epochs follow.
  void set_history(std::vector<EpochRecord> history);

  [[nodiscard]] StatusSnapshot snapshot() const;
  [[nodiscard]] std::vector<EpochRecord> history() const;

  // Rises with every change.
  [[nodiscard]] uint64_t version() const { return version_.load(); }

  void request_stop() { stop_requested_.store(true); }
  [[nodiscard]] bool stop_requested() const { return stop_requested_.load(); }

 private:
  const std::vector<RankPlace> ranks_;  // kept apart: a thousand of them are not copied under the mutex
  mutable std::mutex mutex_;            // guards the next two
  StatusSnapshot snapshot_;
  std::shared_ptr<const std::vector<EpochRecord>> history_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<uint64_t> version_{1};
  std::atomic<bool> stop_requested_{false};
};

}  // namespace fer_ddp
