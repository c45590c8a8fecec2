// Where a step's time goes: its passes, one after the other, each ended by a lap. Reading the clock takes some tens of
// nanoseconds, so that it always runs.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace fer_ddp {

// A pass over all steps so far.
struct PassTime {
  std::string name;
  double seconds = 0;
  double operations = 0;  // floating-point additions and multiplications that its method carries out; 0: not counted
};

class PassClock {
 public:
  explicit PassClock(size_t passes) : seconds_(passes) {}

  void start() { last_ = Clock::now(); }
  void lap(size_t pass) {
    const Clock::time_point now = Clock::now();
    seconds_[pass] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  [[nodiscard]] double seconds(size_t pass) const { return seconds_[pass]; }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace fer_ddp
