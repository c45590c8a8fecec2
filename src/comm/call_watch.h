// A bound on calls that know no deadline of their own. MPI waits without end when it starts, allocates, finalizes or
// aborts while another rank, or mpirun itself, hangs; and over some networks even what MPI calls non-blocking waits for
// a host that cannot be reached. A thread of its own, which calls nothing of MPI, ends the process when a call has not
// come back in time. Time in which the process was stopped does not count.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace fer_ddp {

class CallWatch {
 public:
  using Seconds = std::chrono::duration<double>;

  struct Call {
    const char* operation = nullptr;  // null: not a word
    Seconds limit{};
    int exit_code = 1;
    bool under_way = true;
    Seconds lasted{};
  };

  CallWatch();
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;
  ~CallWatch();

  // While it lives, this thread is in the call, for no longer than its limit: then the process says so on standard
  // error and ends. From one thread; while there is an inner one, that one counts.
  class [[nodiscard]] Guard {
   public:
    Guard(CallWatch& watch, const Call& call);
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();

   private:
    CallWatch& watch_;
    Call outer_;
  };

 private:
  Call replace(const Call& call);
  void run();

  std::mutex mutex_{};
  std::condition_variable ended_{};
  Call call_{.under_way = false};
  bool over_ = false;
  std::thread watcher_;
};

}  // namespace fer_ddp
