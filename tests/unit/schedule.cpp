#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace fer_ddp {

namespace {

constexpr int64_t kSteps = 10;  // of an epoch

Config with(ScheduleShape schedule, double warm_up_epochs, double final_learning_rate = 0.0) {
  return {.learning_rate = 0.1,
          .epochs = 4,
          .schedule = schedule,
          .warm_up_epochs = warm_up_epochs,
          .final_learning_rate = final_learning_rate};
}

TEST(Schedule, ConstantIsOneToTheBit) {
  const Schedule schedule(with(ScheduleShape::kConstant, 0), kSteps);
  for (const int64_t step : {0, 1, 39, 1000}) EXPECT_EQ(schedule.share(step), 1.0);
}

TEST(Schedule, AWarmUpRisesFromZeroInALine) {
  for (const ScheduleShape shape : {ScheduleShape::kConstant, ScheduleShape::kCosine, ScheduleShape::kOneCycle}) {
    const Schedule schedule(with(shape, 1.5), kSteps);
    for (int64_t step = 0; step < 15; ++step)
      EXPECT_DOUBLE_EQ(schedule.share(step), static_cast<double>(step) / 15.0) << choice_word(shape);
    EXPECT_EQ(schedule.share(15), 1.0) << choice_word(shape);
  }
}

TEST(Schedule, CosineIsHalfAWaveToTheFinalRate) {
  const Schedule schedule(with(ScheduleShape::kCosine, 0.5, 0.02), kSteps);
  for (int64_t step = 5; step < 40; ++step) {
    const double part = static_cast<double>(step - 5) / 34.0;
    EXPECT_NEAR(0.1 * schedule.share(step), 0.02 + 0.08 * 0.5 * (1 + std::cos(std::numbers::pi * part)), 1e-15) << step;
  }
  EXPECT_NEAR(0.1 * schedule.share(39), 0.02, 1e-15);
}

TEST(Schedule, OneCycleIsTwoLines) {
  const Schedule schedule(with(ScheduleShape::kOneCycle, 1.0, 0.01), kSteps);
  EXPECT_EQ(schedule.share(10), 1.0);
  EXPECT_NEAR(schedule.share(10) - schedule.share(11), 0.9 / 29.0, 1e-15);
  EXPECT_NEAR(schedule.share(30) - schedule.share(31), 0.9 / 29.0, 1e-15);
  EXPECT_NEAR(0.1 * schedule.share(39), 0.01, 1e-15);
}

TEST(Schedule, ARunOfOneStepHasTheFinalRate) {
  EXPECT_DOUBLE_EQ(
      Schedule({.learning_rate = 0.1, .epochs = 1, .schedule = ScheduleShape::kCosine, .final_learning_rate = 0.05}, 1)
          .share(0),
      0.5);
}

}  // namespace

}  // namespace fer_ddp
