// Work on files that nobody is to wait for, such as what is fsynced: one thread does it, one piece at a time, in the
// order in which it was added. Where a piece throws, what was added behind it is not done, so that nothing appears
// before that which was to be there first; whoever added it asks for what was thrown.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace fer_ddp {

// One thread adds, asks and destroys; the work is done on another one, which the first add() starts.
class BackgroundWriter {
 public:
  // Owns all that it touches, or shares it with nobody who changes it.
  using Work = std::function<void()>;

  BackgroundWriter() = default;
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;
  // Waits until all is done. What was thrown and not asked for is lost.
  ~BackgroundWriter() = default;

  // Returns at once, unless two pieces wait for another one already: then when one of them begins. Throws nothing that
  // work has thrown; after a failure the piece is dropped.
  void add(Work work);

  // Returns when all is done, and the work's own memory is free. Throws what work has thrown, again each time.
  void finish();

  // Has work thrown something? Costs nothing.
  [[nodiscard]] bool failed() const noexcept { return failed_.load(); }

 private:
  void go_on(const std::stop_token& stop);

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::deque<Work> waiting_;
  bool busy_ = false;
  std::exception_ptr failure_;
  std::atomic<bool> failed_{false};
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace fer_ddp
