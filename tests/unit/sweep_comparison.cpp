// What a sweep comes to: means, how sure they are, and their order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "sweep/comparison.h"
#include "sweep/sweep_file.h"

namespace fer_ddp {

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// By R: qt(0.975, c(1, 4, 30, 31, 100, 1000)).
TEST(StudentT, IsThatOfTheTables) {
  EXPECT_NEAR(student_t_95(1), 12.70620, 1e-5);
  EXPECT_NEAR(student_t_95(4), 2.776445, 1e-5);
  EXPECT_NEAR(student_t_95(30), 2.042272, 1e-5);
  EXPECT_NEAR(student_t_95(31), 2.039513, 1e-5);
  EXPECT_NEAR(student_t_95(100), 1.983972, 1e-5);
  EXPECT_NEAR(student_t_95(1000), 1.962339, 1e-5);
}

TEST(StudentT, GivesTheIntervalOfAMean) {
  const std::array<double, 3> values = {1.0, 2.0, 3.0};
  const std::optional<Estimate> found = estimate(values);
  ASSERT_TRUE(found && found->deviation && found->half_width);
  EXPECT_EQ(found->mean, 2.0);
  EXPECT_EQ(*found->deviation, 1.0);
  EXPECT_NEAR(*found->half_width, 4.30265 / std::sqrt(3.0), 1e-5);
}

TEST(StudentT, KnowsNothingOfOneValueButItself) {
  const std::array<double, 1> one = {0.5};
  EXPECT_EQ(estimate(one)->mean, 0.5);
  EXPECT_FALSE(estimate(one)->half_width);
  EXPECT_FALSE(estimate({}));
}

RunOutcome ended(double loss, double accuracy, const std::string& reason = "epochs_done") {
  RunOutcome outcome{.values = {loss}, .lowest_loss = loss, .highest_accuracy = accuracy};
  outcome.result = RunResult{.stop_reason = reason, .epochs_run = 1};
  return outcome;
}

std::vector<size_t> order(const SweepComparison& comparison) {
  std::vector<size_t> settings;
  for (const SettingResult& result : comparison.settings) settings.push_back(result.setting);
  return settings;
}

TEST(SweepComparison, PutsTheBestMeanFirstAndTroublesLast) {
  const Sweep sweep = parse_sweep(R"({"grid": {"batch_size": [1, 2, 3]}, "seeds": [0, 1]})", "s.json");
  const std::vector<RunOutcome> outcomes = {ended(2.0, 0.5), ended(3.0, 0.5), ended(1.5, 0.5),
                                            ended(2.5, 0.6), ended(0.1, 0.9), ended(0.1, 0.9, "diverged")};
  const SweepComparison comparison = compare(sweep, {{0, 1, 2}}, outcomes);
  EXPECT_THAT(order(comparison), ElementsAre(1, 0, 2));
  EXPECT_EQ(comparison.settings[0].lowest_loss->mean, 2.0);
  EXPECT_EQ(comparison.settings[2].diverged, 1);
  EXPECT_EQ(comparison.settings[2].lowest_loss->count, 1);
  EXPECT_EQ(comparison.diverged, 1);
  EXPECT_THAT(
      comparison_table(comparison, sweep),
      testing::AllOf(HasSubstr("\nbatch_size 2    2.0000 +- 6.3531    0.5500 +- 0.6353"), HasSubstr("1 diverged")));
}

TEST(SweepComparison, PutsThoseThatWentFurtherFirst) {
  const Sweep sweep = parse_sweep(
      R"({"grid": {"batch_size": [1, 2, 3]}, "halving": {"epochs": [1, 2]}, "by": "val_accuracy"})", "s.json");
  const std::vector<RunOutcome> outcomes = {ended(1.0, 0.9), ended(1.0, 0.5), ended(1.0, 0.6)};
  EXPECT_THAT(order(compare(sweep, {{0, 1, 2}, {1, 2}}, outcomes)), ElementsAre(2, 1, 0));
}

TEST(SweepComparison, ALineOfResultsIsARun) {
  const Sweep sweep = parse_sweep(R"({"list": [{"comment": "a, \"b\""}, {"model": "resnet18"}]})", "s.json");
  RunOutcome failed;
  failed.failure = "no such network";
  EXPECT_EQ(results_csv(sweep, {ended(1.25, 0.5), failed}),
            "run,setting,random_seed,comment,model,outcome,epochs_run,val_loss,val_accuracy,test_loss,test_accuracy\n"
            "000,0,0,\"a, \"\"b\"\"\",seed_cnn,ended,1,1.25,0.5,,\n"
            "001,1,0,,resnet18,failed,0,,,,\n");
}

TEST(SweepComparison, ItsPageShowsEachSettingAndRunWithWhatWentWrong) {
  const Sweep sweep = parse_sweep(R"({"list": [{"comment": "<b>"}, {}], "seeds": [4, 5]})", "s.json");
  RunOutcome failed;
  failed.failure = "no <such> file";
  const std::vector<RunOutcome> outcomes = {ended(1.0, 0.5), ended(1.2, 0.5), ended(2.0, 0.25), failed};
  const std::string page = comparison_page(compare(sweep, {{0, 1}}, outcomes), sweep, outcomes);
  EXPECT_THAT(page, HasSubstr("comment &lt;b&gt;"));
  EXPECT_THAT(page, HasSubstr("<td>1.1000<small>-0.1706 to 2.3706</small></td>"));
  EXPECT_THAT(page, HasSubstr(R"(<a href="runs/000-s5/report.html">000-s5</a>)"));
  EXPECT_THAT(page, HasSubstr("failed: no &lt;such&gt; file"));
}

}  // namespace

}  // namespace fer_ddp
