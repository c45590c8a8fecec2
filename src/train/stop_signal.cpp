#include "train/stop_signal.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

namespace fer_ddp {

namespace {

constexpr std::array<int, 3> kSignals = {SIGTERM, SIGINT, SIGUSR1};

// A signal handler can reach nothing but statics.
std::atomic<bool> signal_raised{false};
static_assert(std::atomic<bool>::is_always_lock_free);
std::array<struct sigaction, kSignals.size()> former_actions;

void remember(int) { signal_raised.store(true); }

}  // namespace

StopSignal::StopSignal() {
  signal_raised.store(false);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    action.sa_handler = remember;
    action.sa_flags = SA_RESTART;
    sigaction(kSignals[i], &action, &former_actions[i]);
  }
}

StopSignal::~StopSignal() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &former_actions[i], nullptr);
}

bool StopSignal::raised() const { return signal_raised.load(); }

}  // namespace fer_ddp
