#include "comm/call_watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "core/error.h"
#include "core/host.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::milliseconds kTick{100};

// MPI cannot be asked while it starts or hangs; the launcher has told each process its rank.
std::string own_rank() {
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"})
    if (const char* rank = std::getenv(variable); rank != nullptr) return fmt::format("rank {}", rank);
  return "a rank";
}

std::string complaint(const char* operation, CallWatch::Seconds limit) {
  return machine_error(fmt::format("{} on {}: {} waited {:.0f} s for the other ranks, and MPI does not come back",
                                   own_rank(), host_name(), operation, limit.count()),
                       "One of them has died or hangs, or its host cannot be reached.")
             .message() +
         "\n";
}

}  // namespace

CallWatch::CallWatch() : watcher_([this] { run(); }) {}

CallWatch::~CallWatch() {
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
  }
  ended_.notify_one();
  watcher_.join();
}

CallWatch::Call CallWatch::replace(const Call& call) {
  const std::scoped_lock lock(mutex_);
  return std::exchange(call_, call);
}

// Counts ticks instead of reading a clock, so that both threads are stopped, and go on, alike.
void CallWatch::run() {
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, kTick, [this] { return over_; })) {
    if (!call_.under_way) continue;
    call_.lasted += kTick;
    if (call_.lasted < call_.limit) continue;
    // Not through stdio, whose locks the call that hangs may hold. What cannot be said any more does not matter.
    const std::string text = call_.operation == nullptr ? std::string() : complaint(call_.operation, call_.limit);
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    std::_Exit(call_.exit_code);
  }
}

CallWatch::Guard::Guard(CallWatch& watch, const Call& call) : watch_(watch), outer_(watch.replace(call)) {}

CallWatch::Guard::~Guard() { watch_.replace(outer_); }

}  // namespace fer_ddp
