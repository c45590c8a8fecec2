#include "core/threads.h"

#include <exception>
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
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
    run(0);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace fer_ddp
