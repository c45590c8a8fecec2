// One TCP connection with a deadline over its whole life, for the few times that gRPC's own say too little. It never
// raises SIGPIPE while it lives. One thread.
#pragma once

#include <chrono>
#include <csignal>
#include <string>

namespace fer_ddp {

class Socket {
 public:
  // Connects, or tries to: see connected().
  Socket(const std::string& host, int port, std::chrono::milliseconds life);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  [[nodiscard]] bool connected() const { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const { return descriptor_; }  // does not block

  // Waits for what poll() calls `events`; false when time is up.
  [[nodiscard]] bool wait_for(short events) const;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point end_;
  int descriptor_ = -1;
  struct sigaction before_ {};  // what SIGPIPE did
};

}  // namespace fer_ddp
