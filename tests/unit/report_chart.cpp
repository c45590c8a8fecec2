#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <random>

#include "report/page/chart_axis.h"
#include "report/page/svg_chart.h"

namespace fer_ddp {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointwise;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Chart chart_of(std::vector<ChartPoint> points) {
  const auto text = [](double value) { return std::to_string(value); };
  return {
      .description = "a chart", .lines = {{"name", "style", std::move(points)}}, .tick_text = text, .value_text = text};
}

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ChartAxis, TicksAreRoundNumbersInside) {
  EXPECT_THAT(round_ticks({0.55, 1.78}, 7), Pointwise(DoubleNear(1e-12), {0.6, 0.8, 1.0, 1.2, 1.4, 1.6}));
  EXPECT_THAT(round_ticks({1, 19}, 10), ElementsAre(2, 4, 6, 8, 10, 12, 14, 16, 18));
}

TEST(ChartAxis, ZeroIsNeverMinusZero) { EXPECT_FALSE(std::signbit(round_ticks({0, 0.001}, 7).front())); }

TEST(ChartAxis, LogarithmicTicksArePowersOfTen) {
  EXPECT_THAT(logarithmic_ticks({0.00009, 0.012}), Pointwise(DoubleNear(1e-12), {0.0001, 0.001, 0.01}));
}

TEST(ChartAxis, LogarithmicTicksAreFinerWithinOnePower) {
  EXPECT_THAT(logarithmic_ticks({1.5, 7}), Pointwise(DoubleNear(1e-12), {2.0, 5.0}));
}

TEST(ChartAxis, WhatIsNotFiniteDoesNotStretchIt) {
  const std::vector<double> values = {1, kNan, 2, kInfinity};
  const Interval interval = axis_interval(values, ChartScale::kTight);
  EXPECT_GT(interval.low, 0.5);
  EXPECT_LT(interval.high, 2.5);
}

TEST(ChartAxis, ASingleValueHasRoomAroundIt) {
  const Interval interval = axis_interval(std::vector{0.5}, ChartScale::kTight);
  EXPECT_LT(interval.low, 0.5);
  EXPECT_GT(interval.high, 0.5);
}

TEST(ChartAxis, PlacesFollowTheScale) {
  EXPECT_DOUBLE_EQ(ChartAxis({0, 10}, 100, 200).place(5), 150);
  EXPECT_DOUBLE_EQ(ChartAxis({0.01, 1}, 100, 200, true).place(0.1), 150);
}

TEST(ChartAxis, ValuesThatDifferInTheirLastBitHaveAFewTicks) {
  for (const ChartScale scale : {ChartScale::kTight, ChartScale::kFromZero}) {
    const Interval interval = axis_interval(std::vector{0.14285714285714285, 0.14285714285714288}, scale);
    const std::vector<double> ticks = round_ticks(interval, 7);
    EXPECT_GE(ticks.size(), 2U);
    EXPECT_LE(ticks.size(), 12U);
  }
}

TEST(ChartAxis, AnIntervalOfNothingHasNoTicks) {
  EXPECT_THAT(round_ticks({1, 1}, 7), ::testing::IsEmpty());
  EXPECT_THAT(round_ticks({2, 1}, 7), ::testing::IsEmpty());
  EXPECT_THAT(round_ticks({kNan, 1}, 7), ::testing::IsEmpty());
  EXPECT_THAT(round_ticks({0, kInfinity}, 7), ::testing::IsEmpty());
  EXPECT_THAT(logarithmic_ticks({0, 1}), ::testing::IsEmpty());
}

void expect_an_axis(double first, double second, ChartScale scale) {
  SCOPED_TRACE(testing::Message() << first << " and " << second << ", scale " << static_cast<int>(scale));
  const Interval interval = axis_interval(std::vector{first, second}, scale);
  ASSERT_TRUE(std::isfinite(interval.low) && std::isfinite(interval.high) && interval.low < interval.high);
  const bool logarithmic = scale == ChartScale::kLogarithmic;
  const std::vector<double> ticks = logarithmic ? logarithmic_ticks(interval) : round_ticks(interval, 7);
  EXPECT_GE(ticks.size(), 1U);
  EXPECT_LE(ticks.size(), 40U);
  EXPECT_TRUE(std::is_sorted(ticks.begin(), ticks.end(), std::less_equal<>()));
  const ChartAxis axis(interval, 200, 100, logarithmic);
  for (const double value : {first, second}) {
    if (!std::isfinite(value) || (logarithmic && value <= 0)) continue;
    EXPECT_GE(axis.place(value), 100);
    EXPECT_LE(axis.place(value), 200);
  }
}

// Doubles of all sizes, drawn by their bits, and pairs that lie next to each other.
TEST(ChartAxis, EndsForAnyTwoValues) {
  std::mt19937_64 bits(1);
  const std::vector<double> special = {0.0,    -0.0,      5e-324,     -5e-324, 2.3e-308,
                                       1e-300, 1e-9,      1,          1e300,   1e308,
                                       -1e308, kInfinity, -kInfinity, kNan,    1.7976931348623157e308};
  std::vector<std::pair<double, double>> pairs;
  for (const double first : special)
    for (const double second : special) pairs.emplace_back(first, second);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<double>(bits());
    pairs.emplace_back(value, std::bit_cast<double>(bits()));
    pairs.emplace_back(value, std::nextafter(value, kInfinity));
    pairs.emplace_back(value, value * (1 + std::ldexp(1.0, -static_cast<int>(bits() % 53))));
  }
  for (const auto& [first, second] : pairs)
    for (const ChartScale scale : {ChartScale::kTight, ChartScale::kFromZero, ChartScale::kLogarithmic})
      expect_an_axis(first, second, scale);
}

TEST(Chart, ExtremeValuesAreDrawnWithinThePicture) {
  for (const ChartScale scale : {ChartScale::kTight, ChartScale::kFromZero, ChartScale::kLogarithmic}) {
    Chart chart = chart_of({{0, 1e308}, {1, -1e308}, {2, 5e-324}, {3, kInfinity}, {4, 1}});
    chart.tick_text = chart.value_text = [](double) { return "number"; };
    chart.scale = scale;
    const std::string svg = chart_svg(chart).markup;
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
}

TEST(Chart, ALineIsBrokenWhereAValueIsNotANumber) {
  const std::string svg = chart_svg(chart_of({{0, 1}, {1, 2}, {2, kNan}, {3, 2}, {4, 1}})).markup;
  EXPECT_EQ(occurrences(svg, "class=\"cross\""), 1U);
  const size_t path = svg.find("class=\"line\" d=\"");
  EXPECT_EQ(occurrences(svg.substr(path, svg.find('>', path) - path), "M"), 2U);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(Chart, OneEpochIsADot) { EXPECT_THAT(chart_svg(chart_of({{0, 1}})).markup, HasSubstr("<circle class=\"dot\"")); }

TEST(Chart, WithoutANumberThereIsNoPicture) {
  EXPECT_THAT(chart_svg(chart_of({{0, kNan}})).markup, HasSubstr("Nothing to draw"));
  EXPECT_THAT(chart_svg(chart_of({})).markup, HasSubstr("Nothing to draw"));
}

TEST(Chart, EachEpochHasAReadoutCountedFromOne) {
  const std::string svg = chart_svg(chart_of({{0, 1}, {1, 2}})).markup;
  EXPECT_EQ(occurrences(svg, "class=\"column\""), 2U);
  EXPECT_THAT(svg, HasSubstr("epoch\u00a02</tspan>"));
}

TEST(Chart, ALongRunHasNotMoreReadoutsThanThePointerCanTellApart) {
  std::vector<ChartPoint> points;
  for (int epoch = 0; epoch < 1000; ++epoch) points.push_back({epoch, 1.0});
  EXPECT_LE(occurrences(chart_svg(chart_of(points)).markup, "class=\"column\""), 150U);
}

TEST(Chart, ALongRunIsDrawnByWhatAPixelCanShow) {
  std::vector<ChartPoint> points;
  for (int epoch = 0; epoch < 100'000; ++epoch) points.push_back({epoch, epoch % 2 == 0 ? 1.0 : 2.0});
  const std::string plain = chart_svg(chart_of(points)).markup;
  EXPECT_LT(plain.size(), 200'000U);
  points[54'321].value = 3;
  const std::string peak = chart_svg(chart_of(points)).markup;
  EXPECT_NE(peak.find("L344.8 30.7L"), std::string::npos);  // one epoch alone reaches the top
  points[54'321].value = kNan;
  const std::string gap = chart_svg(chart_of(points)).markup;
  EXPECT_EQ(occurrences(gap, "class=\"cross\""), 1U);
  EXPECT_EQ(occurrences(plain, "class=\"cross\""), 0U);
}

}  // namespace
}  // namespace fer_ddp
