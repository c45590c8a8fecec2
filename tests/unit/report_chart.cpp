#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

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

TEST(Chart, ALineIsBrokenWhereAValueIsNotANumber) {
  const std::string svg = chart_svg(chart_of({{0, 1}, {1, 2}, {2, kNan}, {3, 2}, {4, 1}}));
  EXPECT_EQ(occurrences(svg, "class=\"cross\""), 1U);
  const size_t path = svg.find("class=\"line\" d=\"");
  EXPECT_EQ(occurrences(svg.substr(path, svg.find('>', path) - path), "M"), 2U);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(Chart, OneEpochIsADot) { EXPECT_THAT(chart_svg(chart_of({{0, 1}})), HasSubstr("<circle class=\"dot\"")); }

TEST(Chart, WithoutANumberThereIsNoPicture) {
  EXPECT_THAT(chart_svg(chart_of({{0, kNan}})), HasSubstr("Nothing to draw"));
  EXPECT_THAT(chart_svg(chart_of({})), HasSubstr("Nothing to draw"));
}

TEST(Chart, EachEpochHasAReadoutCountedFromOne) {
  const std::string svg = chart_svg(chart_of({{0, 1}, {1, 2}}));
  EXPECT_EQ(occurrences(svg, "class=\"column\""), 2U);
  EXPECT_THAT(svg, HasSubstr("epoch\u00a02</tspan>"));
}

TEST(Chart, ALongRunHasNotMoreReadoutsThanThePointerCanTellApart) {
  std::vector<ChartPoint> points;
  for (int epoch = 0; epoch < 1000; ++epoch) points.push_back({epoch, 1.0});
  EXPECT_LE(occurrences(chart_svg(chart_of(points)), "class=\"column\""), 150U);
}

}  // namespace
}  // namespace fer_ddp
