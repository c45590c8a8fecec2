// The meeting place of the trainer, which writes where it is, and the status service's threads, which read it. Every function is
// thread-safe. Writing copies a few hundred bytes under a mutex that readers hold just as briefly, and never waits for a watcher.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "status/snapshot.h"

namespace fer_ddp {

class StatusBoard {
 public:
  explicit StatusBoard(StatusSnapshot first);

  // Changes the snapshot in place.
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
  mutable std::mutex mutex_;
  StatusSnapshot snapshot_;
  std::vector<EpochRecord> history_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<uint64_t> version_{1};
  std::atomic<bool> stop_requested_{false};
};

}  // namespace fer_ddp
