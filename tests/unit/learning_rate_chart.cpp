#include "report/learning_rate_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A valley whose bottom is at 1e-3, from 1e-5 to 1e-1.
RangeTestReport valley(double learning_rate) {
  RangeTestReport report{.run = "a<b", .words = "three & more", .learning_rate = learning_rate, .constant_answer = 1.8};
  const std::vector<double> rates = rising_rates(1e-5, 1e-1, 161);
  std::vector<double> losses;
  for (const double rate : rates) losses.push_back(2 + 0.25 * std::pow(std::log10(rate) + 3, 2));
  report.curve = mean_curve(rates, {losses});
  report.advice = advice_of(report.curve, report.constant_answer);
  return report;
}

TEST(LearningRateChart, TheTextMarksWhatIsSuggestedAndWhatIsWorse) {
  const std::string text = range_test_text(valley(0.001));
  EXPECT_THAT(text, HasSubstr("<- suggested"));
  EXPECT_THAT(text, HasSubstr("<- worse from here"));
  EXPECT_THAT(text, HasSubstr("<- the configuration's"));
  EXPECT_THAT(text, HasSubstr("suggested learning_rate: 0.00"));
  EXPECT_THAT(text, HasSubstr("gets worse from 0.00"));
  EXPECT_THAT(text, Not(HasSubstr("warning")));
}

TEST(LearningRateChart, ARateBeyondWhereItGetsWorseIsWarnedOff) {
  EXPECT_THAT(range_test_text(valley(0.05)), HasSubstr("warning: learning_rate is 0.05, beyond 0.0"));
  EXPECT_THAT(warning_of(valley(0.001)), IsEmpty());
}

TEST(LearningRateChart, WithoutASuggestionTheTextSaysWhy) {
  RangeTestReport report = valley(0.001);
  report.advice = {};
  report.advice.why_none = "it is so";
  EXPECT_THAT(range_test_text(report), HasSubstr("no suggestion: it is so"));
  EXPECT_THAT(range_test_svg(report), HasSubstr("no learning rate suggested"));
}

TEST(LearningRateChart, ACurveWithoutStepsIsDrawnAllTheSame) {
  RangeTestReport report{.run = "run", .words = "words"};
  report.advice = advice_of(report.curve, std::nullopt);
  EXPECT_THAT(range_test_text(report), HasSubstr("no suggestion: the loss diverged"));
  EXPECT_THAT(range_test_svg(report), HasSubstr("no learning rate suggested"));
}

TEST(LearningRateChart, ThePictureEscapesWhatItIsGiven) {
  const std::string svg = range_test_svg(valley(0.05));
  EXPECT_THAT(svg, HasSubstr("a&lt;b: suggested learning rate 0.00"));
  EXPECT_THAT(svg, HasSubstr("three &amp; more"));
  EXPECT_THAT(svg, HasSubstr("as configured 0.05"));
  EXPECT_THAT(svg, HasSubstr("worse from here 0.00"));
  EXPECT_THAT(svg, HasSubstr("a constant answer"));
}

}  // namespace
}  // namespace fer_ddp
