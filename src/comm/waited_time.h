// How long a wait has lasted. Whoever waits polls, and polls are microseconds apart: after a gap of more than a second
// this process was stopped, or had no core, and that time does not count. So a job that is suspended just goes on.
#pragma once

#include <chrono>

namespace fer_ddp {

class WaitedTime {
 public:
  using Seconds = std::chrono::duration<double>;

  // So far. To be asked at every poll, or every few.
  [[nodiscard]] Seconds so_far() {
    constexpr std::chrono::seconds kAway{1};
    const Clock::time_point now = Clock::now();
    if (now - last_ > kAway) start_ += now - last_;
    last_ = now;
    return now - start_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

}  // namespace fer_ddp
