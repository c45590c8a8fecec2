// Which runs are over, and which settings go on to the next rung.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/atomic_file.h"
#include "core/error.h"
#include "sweep/halving.h"
#include "sweep/sweep_file.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RunOutcome ended(std::vector<std::optional<double>> values, const std::string& reason = "epochs_done") {
  RunOutcome outcome{.values = std::move(values)};
  outcome.result = RunResult{.stop_reason = reason, .epochs_run = static_cast<int>(outcome.values.size())};
  return outcome;
}

Sweep of_settings(size_t count, const std::string& more) {
  std::string values;
  for (size_t i = 0; i < count; ++i) values += (i > 0 ? "," : "") + std::to_string(i + 1);
  return parse_sweep(R"({"grid": {"batch_size": [)" + values + "]}" + more + "}", "s.json");
}

TEST(RunOutcome, IsOverOnceItsEpochsAreDoneOrItStoppedByItself) {
  EXPECT_FALSE(RunOutcome().is_over(1));
  EXPECT_TRUE(ended({1.0, 2.0}).is_over(2));
  EXPECT_FALSE(ended({1.0, 2.0}).is_over(3));
  EXPECT_TRUE(ended({1.0, 2.0}, "early_stopping").is_over(3));
  EXPECT_TRUE(ended({1.0}, "diverged").is_over(3));
  EXPECT_TRUE((RunOutcome{.failure = "no such file"}).is_over(3));
}

TEST(RunOutcome, IsJudgedByTheBestEpochOfTheRungAlone) {
  const RunOutcome outcome = ended({3.0, 2.0, std::nan(""), 1.0});
  EXPECT_EQ(outcome.value_in(0, 2, Monitor::kValidationLoss), 2.0);
  EXPECT_EQ(outcome.value_in(0, 3, Monitor::kValidationLoss), 2.0);
  EXPECT_EQ(outcome.value_in(1, 4, Monitor::kValidationLoss), 1.0);
  EXPECT_EQ(outcome.value_in(1, 4, Monitor::kValidationAccuracy), 3.0);
  EXPECT_EQ(ended({std::nullopt}).value_in(0, 1, Monitor::kValidationLoss), std::nullopt);
}

// Who decides late must decide alike.
TEST(RunOutcome, OfARungIsNotChangedByWhatComesAfterIt) {
  const RunOutcome later = ended({3.0, 2.0}, "diverged");
  EXPECT_EQ(later.value_in(0, 2, Monitor::kValidationLoss), 2.0);
  EXPECT_EQ(later.value_in(1, 4, Monitor::kValidationLoss), std::nullopt);
  RunOutcome failed = ended({3.0, 2.0});
  failed.failure = "no teacher";
  failed.failed_in_rung = 1;
  EXPECT_EQ(failed.value_in(0, 2, Monitor::kValidationLoss), 2.0);
  EXPECT_EQ(failed.value_in(1, 4, Monitor::kValidationLoss), std::nullopt);
}

TEST(RunOutcome, IsReadFromARunsFolder) {
  const TemporaryFolder folder;
  const auto failure = folder.path() / "failed" / "a.json";
  EXPECT_FALSE(read_outcome(folder.path(), failure, Monitor::kValidationLoss).is_over(1));
  write_file_atomically(folder.path() / "history.csv",
                        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n"
                        "0,2,0.1,1.5,0.3,0.01,1,1\n1,1,0.2,1.7,0.4,0.01,1,1\n");
  write_file_atomically(folder.path() / "result.json",
                        run_result_to_json({.stop_reason = "epochs_done", .epochs_run = 2}).dump());
  const RunOutcome outcome = read_outcome(folder.path(), failure, Monitor::kValidationAccuracy);
  EXPECT_TRUE(outcome.is_over(2));
  EXPECT_EQ(outcome.lowest_loss, 1.5);
  EXPECT_EQ(outcome.highest_accuracy, 0.4);
  EXPECT_EQ(outcome.value_in(0, 1, Monitor::kValidationAccuracy), 0.3);
  write_failure(failure, user_error("no such file", "Mend it."), 1);
  const RunOutcome failed = read_outcome(folder.path(), failure, Monitor::kValidationAccuracy);
  EXPECT_EQ(failed.failure, "no such file");
  EXPECT_EQ(failed.failed_in_rung, 1U);
}

TEST(Halving, KeepsTheBestShareAndNeverNone) {
  const Sweep sweep = of_settings(5, R"(, "halving": {"epochs": [1, 2, 3], "keep": 0.4})");
  const std::vector<RunOutcome> outcomes = {ended({5.0}), ended({1.0}), ended({4.0}), ended({2.0}), ended({3.0})};
  EXPECT_THAT(decide_rung(sweep, 0, {0, 1, 2, 3, 4}, outcomes).survivors, ElementsAre(1, 3));
  EXPECT_THAT(decide_rung(sweep, 1, {1, 3}, outcomes).survivors, ElementsAre(1));
  EXPECT_THAT(decide_rung(sweep, 0, {0, 2}, outcomes).survivors, ElementsAre(2));
}

TEST(Halving, ByAccuracyTheHighestGoesOn) {
  const Sweep sweep = of_settings(3, R"(, "halving": {"epochs": [1, 2], "keep": 0.34}, "by": "val_accuracy")");
  EXPECT_THAT(decide_rung(sweep, 0, {0, 1, 2}, {ended({0.1}), ended({0.3}), ended({0.2})}).survivors, ElementsAre(1));
}

TEST(Halving, AThirdOfThreeIsOne) {
  const Sweep sweep = of_settings(3, R"(, "halving": {"epochs": [1, 2], "keep": 0.3333333333})");
  EXPECT_THAT(decide_rung(sweep, 0, {0, 1, 2}, {ended({3.0}), ended({2.0}), ended({1.0})}).survivors, ElementsAre(2));
}

TEST(Halving, OfEqualsTheFirstGoesOn) {
  const Sweep sweep = of_settings(2, R"(, "halving": {"epochs": [1, 2]})");
  EXPECT_THAT(decide_rung(sweep, 0, {0, 1}, {ended({1.0}), ended({1.0})}).survivors, ElementsAre(0));
}

TEST(Halving, ASettingIsJudgedByTheMeanOfItsSeedsAndByEachOfThem) {
  const Sweep sweep = of_settings(2, R"(, "seeds": [0, 1], "halving": {"epochs": [1, 2]})");
  EXPECT_THAT(decide_rung(sweep, 0, {0, 1}, {ended({1.0}), ended({4.0}), ended({2.0}), ended({2.5})}).survivors,
              ElementsAre(1));
  const RungDecision decision =
      decide_rung(sweep, 0, {0, 1}, {ended({9.0}), ended({9.0}), ended({2.0}), ended({}, "diverged")});
  EXPECT_THAT(decision.survivors, ElementsAre(0));
  EXPECT_EQ(decision.settings[1].value, std::nullopt);
}

TEST(Halving, WhereNoneHasAValueNoneGoesOn) {
  const Sweep sweep = of_settings(2, R"(, "halving": {"epochs": [1, 2]})");
  EXPECT_THAT(decide_rung(sweep, 0, {0, 1}, {ended({}, "diverged"), ended({}, "diverged")}).survivors, IsEmpty());
}

TEST(Halving, ADecisionIsReadBackAsItWasWritten) {
  const Sweep sweep = of_settings(4, R"(, "halving": {"epochs": [1, 2]})");
  const RungDecision decision{.settings = {{0, 1.5}, {3, std::nullopt}}, .survivors = {0, 3}};
  const nlohmann::ordered_json written = rung_to_json(decision, sweep, 0);
  EXPECT_THAT(survivors_from_json(written, sweep, "rungs/0.json"), ElementsAre(0, 3));
  EXPECT_THROW(static_cast<void>(survivors_from_json({{"survivors", {4}}}, sweep, "rungs/0.json")), Error);
}

}  // namespace

}  // namespace fer_ddp
