#include <gtest/gtest.h>

#include <cmath>

#include "core/statistics.h"

namespace fer_ddp {

namespace {

// Of 10 from 100: (0.1 + 3.8415 / 200 -+ 1.96 sqrt(0.1 * 0.9 / 100 + 3.8415 / 40000)) / (1 + 3.8415 / 100).
TEST(WilsonInterval, IsThatOfTheFormula) {
  const ShareInterval interval = wilson_interval(10, 100);
  EXPECT_NEAR(interval.low, 0.0552291370606751, 1e-12);
  EXPECT_NEAR(interval.high, 0.1743656615043000, 1e-12);
}

// At the ends it is n / (n + z^2) and its complement.
TEST(WilsonInterval, StaysWithinTheUnitIntervalAtItsEnds) {
  const double square = 1.959963984540054 * 1.959963984540054;
  EXPECT_EQ(wilson_interval(0, 5).low, 0.0);
  EXPECT_NEAR(wilson_interval(0, 5).high, square / (5 + square), 1e-15);
  EXPECT_EQ(wilson_interval(5, 5).high, 1.0);
  EXPECT_NEAR(wilson_interval(5, 5).low, 5 / (5 + square), 1e-15);
}

TEST(WilsonInterval, OfNoTrialsSaysNothing) { EXPECT_EQ(wilson_interval(0, 0), (ShareInterval{0, 1})); }

TEST(WilsonInterval, OfManyTrialsIsTheNormalOne) {
  const ShareInterval interval = wilson_interval(500'000, 1'000'000);
  EXPECT_NEAR(interval.high - 0.5, 1.959963984540054 * 0.0005, 1e-8);
  EXPECT_NEAR(0.5 - interval.low, interval.high - 0.5, 1e-12);
}

// Tails of the binomial distribution as fractions: 2 (1 + 10 + 45) / 1024, 2 (1 + 8) / 256, 2 / 32.
TEST(McNemar, IsTwiceTheSmallerTail) {
  EXPECT_NEAR(mcnemar_p({2, 8}), 112.0 / 1024, 1e-15);
  EXPECT_NEAR(mcnemar_p({7, 1}), 18.0 / 256, 1e-15);
  EXPECT_NEAR(mcnemar_p({5, 0}), 2.0 / 32, 1e-15);
}

TEST(McNemar, OfEqualCountsIsOne) {
  EXPECT_EQ(mcnemar_p({0, 0}), 1.0);
  EXPECT_EQ(mcnemar_p({1, 1}), 1.0);
  EXPECT_EQ(mcnemar_p({400, 400}), 1.0);
  EXPECT_EQ(mcnemar_p({3, 4}), 1.0);
}

// By Python's fractions: 2 * sum(comb(399, k) for k in range(181)) / 2**399 and the like.
TEST(McNemar, IsExactForManyImages) {
  EXPECT_NEAR(mcnemar_p({219, 180}), 0.056985439025828484, 1e-12);
  EXPECT_NEAR(mcnemar_p({900, 1100}), 8.457089535503927e-06, 1e-16);
  EXPECT_EQ(mcnemar_p({219, 180}), mcnemar_p({180, 219}));
}

TEST(McNemar, OfVeryManyImagesIsANumber) {
  EXPECT_EQ(mcnemar_p({0, 3000}), 0.0);
  EXPECT_NEAR(mcnemar_p({1'000'000, 1'000'000}), 1.0, 1e-9);
}

}  // namespace

}  // namespace fer_ddp
