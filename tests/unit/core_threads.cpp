#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <thread>

#include "core/threads.h"

namespace fer_ddp {

namespace {

TEST(RunInThreads, CallsTheWorkOnceForEachThread) {
  std::array<std::atomic<int>, 5> calls{};
  run_in_threads(5, [&](int thread) { ++calls.at(static_cast<size_t>(thread)); });
  for (const std::atomic<int>& count : calls) EXPECT_EQ(count, 1);
}

TEST(RunInThreads, ThrowsWhatTheLowestHasThrownOnceAllAreDone) {
  std::atomic<int> done = 0;
  try {
    run_in_threads(4, [&](int thread) {
      ++done;
      if (thread % 2 == 1) throw std::runtime_error(std::to_string(thread));
    });
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& failure) {
    EXPECT_STREQ(failure.what(), "1");
  }
  EXPECT_EQ(done, 4);
}

TEST(RunAtLowPriority, ThreadsThatTheWorkStartsStandBehindTheCallers) {
  const int own = ::getpriority(PRIO_PROCESS, 0);
  int inside = own;
  run_at_low_priority([&] { std::jthread([&] { inside = ::getpriority(PRIO_PROCESS, 0); }).join(); });
  EXPECT_EQ(inside, std::min(own + 10, 19));
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), own);
}

TEST(RunAtLowPriority, ThrowsWhatTheWorkHasThrown) {
  EXPECT_THROW(run_at_low_priority([] { throw std::runtime_error("no"); }), std::runtime_error);
}

}  // namespace

}  // namespace fer_ddp
