#include "cuda/cupti_clock.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "doubles/cupti_double.h"

namespace fer_ddp {
namespace {

class CuptiClockTest : public ::testing::Test {
 protected:
  void SetUp() override { cupti_double::reset(); }
};

TEST_F(CuptiClockTest, TellsCallsApartWhateverTheOrderOfRecords) {
  CuptiClock clock(0);
  clock.begin(KernelClock::kStep);
  clock.begin(1);
  cupti_double::launch("product", 3000);
  cupti_double::launch_known_late("sums", 500);
  clock.end();
  clock.begin(2);
  cupti_double::launch_known_late("product", 7000);
  clock.end();
  clock.end();
  const KernelClock::Times times = clock.times();
  ASSERT_EQ(times.of_calls.size(), 2U);
  EXPECT_EQ(times.of_calls.at(1).launches, 2);
  EXPECT_NEAR(times.of_calls.at(1).seconds, 3.5e-6, 1e-12);
  EXPECT_EQ(times.of_calls.at(2).launches, 1);
  EXPECT_NEAR(times.of_calls.at(2).seconds, 7e-6, 1e-12);
  EXPECT_TRUE(times.of_steps.empty());
}

TEST_F(CuptiClockTest, NamesWhatAStepStartsBesideItsCalls) {
  CuptiClock clock(0);
  clock.begin(KernelClock::kStep);
  cupti_double::launch("_Z6reducePf", 2000);
  cupti_double::copy(1000);
  clock.end();
  cupti_double::launch_of_another_thread("_Z6reducePf", 4000);
  const KernelClock::Times times = clock.times();
  ASSERT_EQ(times.of_steps.size(), 2U);
  EXPECT_EQ(times.of_steps.at("reduce(float*)").launches, 2);
  EXPECT_NEAR(times.of_steps.at("reduce(float*)").seconds, 6e-6, 1e-12);
  EXPECT_NEAR(times.of_steps.at("copy").seconds, 1e-6, 1e-12);
}

TEST_F(CuptiClockTest, CountsNothingOutsideOfSteps) {
  CuptiClock clock(0);
  cupti_double::launch("evaluation", 2000);
  clock.begin(KernelClock::kStep);
  clock.end();
  cupti_double::launch_known_late("evaluation", 2000);
  const KernelClock::Times times = clock.times();
  EXPECT_TRUE(times.of_calls.empty());
  EXPECT_TRUE(times.of_steps.empty());
}

TEST_F(CuptiClockTest, GoesOnCountingAfterItWasAsked) {
  CuptiClock clock(0);
  for (int step = 1; step <= 2; ++step) {
    clock.begin(KernelClock::kStep);
    clock.begin(1);
    for (int kernel = 0; kernel < 10; ++kernel) cupti_double::launch("product", 100);
    clock.end();
    clock.end();
    EXPECT_EQ(clock.times().of_calls.at(1).launches, 10 * step);
  }
}

TEST_F(CuptiClockTest, SaysWhyNothingIsTimed) {
  cupti_double::refuse();
  try {
    const CuptiClock clock(0);
    FAIL() << "it was refused";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "kernels cannot be timed: cuptiActivityEnable: the double's reason");
    EXPECT_EQ(error.exit_code(), 1);
  }
}

// Those of an H100's data sheet, by the clocks that its driver names.
TEST_F(CuptiClockTest, KnowsWhatTheGpuCanDoAtBest) {
  const CuptiClock clock(0);
  const DevicePeaks bf16 = clock.peaks(Precision::kBf16);
  EXPECT_NEAR(bf16.bytes_per_second, 3.35e12, 0.01e12);
  EXPECT_NEAR(bf16.operations_per_second, 66.9e12, 0.1e12);
  EXPECT_NEAR(bf16.tensor_operations_per_second, 1070e12, 1e12);
  EXPECT_NEAR(clock.peaks(Precision::kTf32).tensor_operations_per_second, 535e12, 1e12);
  EXPECT_EQ(clock.peaks(Precision::kFp32).tensor_operations_per_second, 0);
}

}  // namespace
}  // namespace fer_ddp
