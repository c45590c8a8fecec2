#include "core/threads.h"

#include <sys/resource.h>

#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace fer_ddp {

void run_in_threads(int threads, const std::function<void(int thread)>& work) {
  std::vector<std::exception_ptr> failures(static_cast<size_t>(threads));
  const auto run = [&](int thread) {
    try {
      work(thread);
    } catch (...) {
      failures[static_cast<size_t>(thread)] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    int begun = 1;
    try {
      for (; begun < threads; ++begun) others.emplace_back(run, begun);
    } catch (const std::system_error&) {  // a limit on processes, most likely
    }
    run(0);
    for (int left = begun; left < threads; ++left) run(left);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

void run_at_low_priority(const std::function<void()>& work) {
  constexpr int kLower = 10;
  std::exception_ptr failure;
  std::jthread([&] {
    // On Linux the priority is a thread's own. Without it the work is done as well.
    static_cast<void>(::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kLower));
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace fer_ddp
