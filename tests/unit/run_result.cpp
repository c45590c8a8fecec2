#include "core/run_result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/epoch_record.h"
#include "core/error.h"

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

RunResult finished_run() {
  Evaluation test{.loss = 1.3, .images = 4};
  test.confusion[3][3] = 3;
  test.confusion[4][3] = 1;
  return {.stop_reason = "early_stopping",
          .epochs_run = 15,
          .best_epoch_by_loss = 7,
          .best_epoch_by_accuracy = 12,
          .final_epoch = 14,
          .restored_epoch = 7,
          .test = test,
          .seconds = 61.5,
          .world_size = 2,
          .parameters = 839431,
          .ranks = {{0, "node1", "cpu"}, {1, "node2", "cpu"}},
          .started = "2026-01-31T12:00:00.000Z",
          .finished = "2026-01-31T12:01:01.500Z"};
}

TEST(RunResult, TheDocumentNamesTestLossAndAccuracyAtItsTop) {
  const Json document = run_result_to_json(finished_run());
  EXPECT_EQ(document["test_loss"], 1.3);
  EXPECT_EQ(document["test_accuracy"], 0.75);
}

TEST(RunResult, TheDocumentNamesTheAccuracyWithoutCopiesAtItsTop) {
  RunResult result = finished_run();
  EXPECT_EQ(run_result_to_json(result)["test_accuracy_without_copies"], nullptr);
  result.test->without_copies = Score{.loss = 1.4, .images = 2, .correct = 1};
  EXPECT_EQ(run_result_to_json(result)["test_accuracy_without_copies"], 0.5);
}

TEST(RunResult, ReadsBackAsItWasWritten) {
  RunResult result = finished_run();
  result.test->without_copies = Score{.loss = 1.4, .images = 2, .correct = 1};
  const Json document = run_result_to_json(result);
  EXPECT_EQ(run_result_to_json(run_result_from_json(document, "result.json")), document);
}

TEST(RunResult, NamesTheCandidatesWithWhatEachIsAndHowTheyDiffer) {
  RunResult result = finished_run();
  result.candidates = {{.epoch = 7,
                        .lowest_loss = true,
                        .early_stopping_best = true,
                        .kept = true,
                        .val_loss = 1.25,
                        .val_accuracy = 0.5,
                        .weights = "model.safetensors",
                        .test = Score{.loss = 1.3, .images = 100, .correct = 50},
                        .without_copies = Score{.loss = 1.4, .images = 90, .correct = 44}},
                       {.epoch = 14, .highest_accuracy = true, .last = true, .val_loss = kNan, .val_accuracy = 0.6}};
  result.comparisons = {{.first_epoch = 7, .second_epoch = 14, .right = {2, 8}}};
  const Json document = run_result_to_json(result);
  EXPECT_EQ(document["candidates"][0]["is"], Json({"lowest_val_loss", "early_stopping_best", "model"}));
  EXPECT_EQ(document["candidates"][1]["is"], Json({"highest_val_accuracy", "last_epoch"}));
  EXPECT_EQ(document["candidates"][1]["test"], nullptr);
  EXPECT_NEAR(document["candidates"][0]["test"]["accuracy_interval"][0].get<double>(), 0.4038, 1e-4);
  EXPECT_NEAR(document["comparisons"][0]["mcnemar_p"].get<double>(), 112.0 / 1024, 1e-15);
  const RunResult read = run_result_from_json(document, "result.json");
  EXPECT_EQ(run_result_to_json(read), document);
  EXPECT_TRUE(read.candidates[1].last && !read.candidates[1].kept);
}

TEST(RunResult, OfAnEarlierVersionHasNoCandidates) {
  Json document = run_result_to_json(finished_run());
  document.erase("candidates");
  document.erase("comparisons");
  EXPECT_TRUE(run_result_from_json(document, "result.json").candidates.empty());
}

TEST(RunResult, ARunThatWasStoppedEarlyHasNoTestAndNoRestoredEpoch) {
  RunResult stopped = finished_run();
  stopped.test.reset();
  stopped.restored_epoch.reset();
  const Json document = run_result_to_json(stopped);
  EXPECT_EQ(document["test_accuracy"], nullptr);
  EXPECT_EQ(document["restored_epoch"], nullptr);
  const RunResult read = run_result_from_json(document, "result.json");
  EXPECT_FALSE(read.test);
  EXPECT_FALSE(read.restored_epoch);
}

TEST(RunResult, ADivergedRunMayHaveNoWeightsAndNoEpoch) {
  RunResult diverged = finished_run();
  diverged.has_weights = false;
  diverged.final_epoch.reset();
  const Json document = run_result_to_json(diverged);
  EXPECT_EQ(document["model"], nullptr);
  const RunResult read = run_result_from_json(document, "result.json");
  EXPECT_FALSE(read.has_weights);
  EXPECT_FALSE(read.final_epoch);
}

TEST(RunResult, ADocumentWithoutTheModelsNameHasWeights) {
  Json document = run_result_to_json(finished_run());
  EXPECT_EQ(document["model"], "model.safetensors");
  document.erase("model");
  EXPECT_TRUE(run_result_from_json(document, "result.json").has_weights);
}

TEST(RunResult, AMissingKeyIsTheUsersErrorAndIsNamed) {
  Json document = run_result_to_json(finished_run());
  document.erase("world_size");
  try {
    (void)run_result_from_json(document, "runs/a/result.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    EXPECT_THAT(error.what(), HasSubstr("runs/a/result.json: not a run's result"));
    EXPECT_THAT(error.what(), HasSubstr("world_size"));
  }
}

TEST(RunResult, ANumberThatDoesNotFitIsTheUsersErrorAndNotCutOff) {
  for (const char* key : {"epochs_run", "final_epoch", "world_size"}) {
    Json document = run_result_to_json(finished_run());
    document[key] = int64_t{1} << 32;
    EXPECT_THROW(static_cast<void>(run_result_from_json(document, "result.json")), Error) << key;
  }
}

TEST(BestEpoch, LossAndAccuracyMayDisagree) {
  const std::vector<EpochRecord> history = {{.epoch = 0, .val_loss = 1.3, .val_accuracy = 0.50},
                                            {.epoch = 1, .val_loss = 1.2, .val_accuracy = 0.51},
                                            {.epoch = 2, .val_loss = 1.4, .val_accuracy = 0.54}};
  EXPECT_EQ(best_epoch_by_loss(history), 1);
  EXPECT_EQ(best_epoch_by_accuracy(history), 2);
}

TEST(BestEpoch, TheEarliestWinsATie) {
  const std::vector<EpochRecord> history = {{.epoch = 0, .val_loss = 1.3}, {.epoch = 1, .val_loss = 1.3}};
  EXPECT_EQ(best_epoch_by_loss(history), 0);
}

TEST(BestEpoch, NotANumberIsNeverBest) {
  const std::vector<EpochRecord> history = {{.epoch = 0, .val_loss = kNan}, {.epoch = 1, .val_loss = 2.0}};
  EXPECT_EQ(best_epoch_by_loss(history), 1);
  EXPECT_EQ(best_epoch_by_accuracy(history), std::nullopt);
}

}  // namespace
}  // namespace fer_ddp
