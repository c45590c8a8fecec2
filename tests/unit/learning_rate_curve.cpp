#include "core/learning_rate_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

namespace fer_ddp {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kSteps = 301;
constexpr double kFrom = 1e-5;
constexpr double kTo = 1;

// The loss as a function of the rate's power of ten; with noise of that standard deviation.
LearningRateCurve curve_of(const std::function<double(double)>& loss, double noise = 0, unsigned seed = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> draw(0, 1);
  const std::vector<double> rates = rising_rates(kFrom, kTo, kSteps);
  std::vector<double> losses;
  losses.reserve(rates.size());
  for (const double rate : rates) losses.push_back(loss(std::log10(rate)) + noise * draw(generator));
  return mean_curve(rates, {losses});
}

double falling(double x, double from, double to, double high, double low) {
  const double share = std::clamp((x - from) / (to - from), 0.0, 1.0);
  return high + (low - high) * (1 - std::cos(share * std::acos(-1.0))) / 2;
}

// 3 falls to 2 between 1e-5 and 10^-3.5, and rises by 1 between 10^-3 and 10^-2.
double one_valley(double x) { return falling(x, -5, -3.5, 3, 2) - falling(x, -3, -2, 0, -1); }

// As the study's network does: down to 2.2 at 10^-3.5, up to 2.7, and down to 1.8 at 10^-1.
double collapse(double x) {
  return falling(x, -5, -3.5, 3, 2.2) + falling(x, -3.3, -2.4, 0, 0.5) + falling(x, -2.3, -1, 0, -0.9);
}

// At 128: without the rise in between.
double silent_collapse(double x) { return falling(x, -5, -3.5, 3, 2.2) + falling(x, -2.5, -1.5, 0, -0.4); }

TEST(LearningRateCurve, RatesRiseByOneFactor) {
  const std::vector<double> rates = rising_rates(1e-6, 1, 7);
  ASSERT_THAT(rates, SizeIs(7));
  for (int k = 0; k < 7; ++k) EXPECT_NEAR(std::log10(rates[static_cast<size_t>(k)]), k - 6, 1e-12);
  EXPECT_EQ(rates.back(), 1);
}

TEST(LearningRateCurve, SmoothingKeepsAConstantFromTheFirstStepOn) {
  EXPECT_THAT(smoothed_losses(std::vector<double>(50, 2.5), 60), Each(DoubleNear(2.5, 1e-12)));
}

TEST(LearningRateCurve, SmoothingDoesNotLag) {
  std::vector<double> line;
  for (int k = 0; k < 401; ++k) line.push_back(0.01 * k);
  EXPECT_NEAR(smoothed_losses(line, 60)[200], 2.0, 1e-9);
}

TEST(LearningRateCurve, SmoothingWeighsByTheDistanceInPowersOfTen) {
  std::vector<double> spike(201, 0.0);
  spike[100] = 1;
  const std::vector<double> smoothed = smoothed_losses(spike, 60);
  EXPECT_NEAR(smoothed[106] / smoothed[100], std::exp(-1), 1e-6);
  EXPECT_NEAR(smoothed[94], smoothed[106], 1e-9);
}

TEST(LearningRateCurve, TheMeanEndsWithTheShortestTraining) {
  const LearningRateCurve curve = mean_curve({1, 10, 100}, {{4, 2, 1}, {2, 4}});
  EXPECT_THAT(curve.rates, ElementsAre(1, 10));
  EXPECT_THAT(curve.losses, ElementsAre(3, 3));
  EXPECT_TRUE(curve.diverged);
  EXPECT_FALSE(mean_curve({1, 10}, {{4, 2}}).diverged);
}

TEST(LearningRateCurve, ALossThatIsNoNumberIsNotPartOfIt) {
  const LearningRateCurve curve = mean_curve({1, 10}, {{4, std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_THAT(curve.losses, ElementsAre(4));
  EXPECT_TRUE(curve.diverged);
  EXPECT_THAT(mean_curve({1, 10}, {{std::numeric_limits<double>::infinity()}}).losses, IsEmpty());
}

TEST(LearningRateCurve, DivergesWhenTheAverageIsFourTimesItsLowest) {
  DivergenceWatch watch;
  for (int k = 0; k < 50; ++k) EXPECT_FALSE(watch.diverges(2));
  EXPECT_FALSE(watch.diverges(60));  // one step is not the average
  EXPECT_TRUE(watch.diverges(60));
}

TEST(LearningRateCurve, DivergesWithALossThatIsNotFinite) {
  DivergenceWatch watch;
  EXPECT_FALSE(watch.diverges(2));
  EXPECT_TRUE(watch.diverges(std::numeric_limits<double>::quiet_NaN()));
}

TEST(LearningRateCurve, AConstantAnswerHasTheEntropyOfTheClasses) {
  EXPECT_NEAR(constant_answer_loss({5, 5, 0, 0, 0, 0, 0}, 0), std::log(2), 1e-12);
  EXPECT_NEAR(constant_answer_loss({9, 0, 0, 0, 0, 0, 0}, 1), std::log(7), 1e-12);
}

TEST(LearningRateAdvice, LiesBetweenTheBottomAndTheRise) {
  const LearningRateAdvice advice = advice_of(curve_of(one_valley), 1.8);
  ASSERT_TRUE(advice.suggestion && advice.worse_from);
  EXPECT_NEAR(std::log10(advice.bottom), -3.3, 0.3);
  EXPECT_NEAR(std::log10(*advice.worse_from), -2.8, 0.15);
  EXPECT_EQ(advice.worse_because, WorseBecause::kRises);
  EXPECT_GT(*advice.suggestion, advice.bottom);
  EXPECT_LT(*advice.suggestion, *advice.worse_from);
}

TEST(LearningRateAdvice, IsNotDrawnIntoACollapseThatIsDeeperThanTheValley) {
  for (auto* const shape : {&collapse, &silent_collapse}) {
    const LearningRateAdvice advice = advice_of(curve_of(*shape), 1.81);
    ASSERT_TRUE(advice.suggestion && advice.worse_from);
    EXPECT_GT(*advice.suggestion, 2e-4);
    EXPECT_LT(*advice.suggestion, 3e-3);
    EXPECT_LT(*advice.worse_from, 2e-2);
  }
  EXPECT_EQ(advice_of(curve_of(collapse), 1.81).worse_because, WorseBecause::kRises);
  EXPECT_EQ(advice_of(curve_of(silent_collapse), 1.81).worse_because, WorseBecause::kCollapses);
}

TEST(LearningRateAdvice, FollowsASecondDescentThatLearns) {
  const auto learns = [](double x) {
    return falling(x, -5, -4, 1.95, 1.81) + falling(x, -3, -2, 0, -0.8) - falling(x, -1, -0.5, 0, -1);
  };
  const LearningRateAdvice advice = advice_of(curve_of(learns), 1.81);
  ASSERT_TRUE(advice.suggestion && advice.worse_from);
  EXPECT_NEAR(std::log10(advice.bottom), -1.7, 0.4);
  EXPECT_NEAR(std::log10(*advice.worse_from), -0.85, 0.2);
}

TEST(LearningRateAdvice, StaysWithinHalfAPowerOfTenOfAWideBottomsBeginning) {
  const auto wide = [](double x) { return falling(x, -5, -3.5, 3, 1) - falling(x, -0.5, 0, 0, -2); };
  const LearningRateAdvice advice = advice_of(curve_of(wide), 1.81);
  ASSERT_TRUE(advice.suggestion && advice.worse_from);
  EXPECT_LT(*advice.suggestion, 1.1e-3);
  EXPECT_GT(*advice.worse_from, 0.3);
}

TEST(LearningRateAdvice, IsTheSameWithinAFactorOfTwoUnderNoise) {
  for (auto* const shape : {&one_valley, &collapse, &silent_collapse}) {
    const double without = *advice_of(curve_of(*shape), 1.81).suggestion;
    for (unsigned seed = 1; seed <= 20; ++seed) {
      const LearningRateAdvice advice = advice_of(curve_of(*shape, 0.12, seed), 1.81);
      ASSERT_TRUE(advice.suggestion);
      EXPECT_LT(*advice.suggestion, 2.2 * without) << seed;
      EXPECT_GT(*advice.suggestion, without / 2.2) << seed;
    }
  }
}

TEST(LearningRateAdvice, AWideBottomNeedsNothingWorseBeyondIt) {
  const auto flat_end = [](double x) { return falling(x, -5, -3, 3, 1); };
  const LearningRateAdvice advice = advice_of(curve_of(flat_end), 1.81);
  ASSERT_TRUE(advice.suggestion);
  EXPECT_FALSE(advice.worse_from);
}

TEST(LearningRateAdvice, HasNoneForALossThatDoesNotFall) {
  const LearningRateAdvice advice = advice_of(curve_of([](double) { return 1.95; }, 0.05), 1.81);
  EXPECT_FALSE(advice.suggestion);
  EXPECT_THAT(advice.why_none, HasSubstr("does not fall"));
}

TEST(LearningRateAdvice, HasNoneForALossThatFallsStillAtTheEnd) {
  EXPECT_FALSE(advice_of(curve_of([](double x) { return falling(x, -2, 1, 3, 1); }), 1.81).suggestion);
}

TEST(LearningRateAdvice, ATrainingThatDivergesAtOnceHasNone) {
  const LearningRateAdvice advice = advice_of(mean_curve({1, 10, 100}, {{2, 100}}), 1.81);
  EXPECT_FALSE(advice.suggestion);
  EXPECT_THAT(advice.why_none, HasSubstr("lower rate"));
}

TEST(LearningRateAdvice, ALossThatExplodesBeforeItFallsAsksForMoreStepsAndNamesTheRate) {
  const std::vector<double> rates = rising_rates(kFrom, kTo, 20);
  std::vector<double> losses = {3.2, 2.9, 3.3, 2.8, 3.2, 2.9, 3.1, 2.7, 3.1, 2.9, 3.0, 2.6, 3.0, 2.8, 34};
  for (const bool diverges : {true, false}) {
    if (!diverges) losses.resize(20, 34);
    const LearningRateAdvice advice = advice_of(mean_curve(rates, {losses}), 1.81);
    EXPECT_FALSE(advice.suggestion);
    EXPECT_THAT(advice.why_none, HasSubstr("take more steps, or end at a lower rate"));
    ASSERT_TRUE(advice.worse_from);
    EXPECT_GE(*advice.worse_from, rates[10]);  // smoothing spreads the rise to both sides
    EXPECT_LE(*advice.worse_from, rates[14]);
  }
}

TEST(LearningRateAdvice, IsNotBeyondTheLastRateInANarrowRange) {
  const std::vector<double> rates = rising_rates(1.04e-3, 1.166e-3, 20);
  std::vector<double> losses(20, 1);
  for (size_t k = 0; k < 6; ++k) losses[k] = 3 - 0.4 * static_cast<double>(k);
  LearningRateCurve curve = mean_curve(rates, {losses});
  curve.diverged = true;
  const LearningRateAdvice advice = advice_of(curve, std::nullopt);
  ASSERT_TRUE(advice.suggestion);
  EXPECT_LE(*advice.suggestion, rates.back());
  EXPECT_GE(*advice.suggestion, rates.front());
}

TEST(LearningRateAdvice, GetsWorseWhereTheTrainingDiverged) {
  std::vector<double> losses;
  const std::vector<double> rates = rising_rates(kFrom, kTo, kSteps);
  for (size_t k = 0; k < 200; ++k) losses.push_back(falling(std::log10(rates[k]), -5, -3, 3, 1));
  const LearningRateAdvice advice = advice_of(mean_curve(rates, {losses}), 1.81);
  ASSERT_TRUE(advice.suggestion && advice.worse_from);
  EXPECT_EQ(advice.worse_because, WorseBecause::kDiverges);
  EXPECT_NEAR(*advice.worse_from, rates[199], 1e-12);
}

TEST(LearningRateAdvice, TheJsonFormHoldsTheCurve) {
  const LearningRateCurve curve = curve_of(one_valley);
  const auto document = advice_to_json(curve, advice_of(curve, 1.8), 1.8);
  EXPECT_EQ(document["curve"].size(), kSteps);
  EXPECT_EQ(document["worse_because"], "rises");
  EXPECT_LE(document["suggestion"].dump().size(), 7U);  // 0.00081, and not 0.0008100000000000001
  EXPECT_EQ(document["curve"][0]["learning_rate"], kFrom);
  LearningRateAdvice none;
  none.why_none = "so";
  const auto unknown = advice_to_json(curve, none, std::nullopt);
  EXPECT_TRUE(unknown["suggestion"].is_null() && unknown["worse_from"].is_null() && unknown["bottom"].is_null());
  EXPECT_EQ(unknown["why_none"], "so");
}

}  // namespace
}  // namespace fer_ddp
