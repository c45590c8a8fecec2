#include "core/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

constexpr int kAngry = 0;
constexpr int kDisgust = 1;
constexpr int kHappy = 3;

// Ten images: four Angry (three found, one taken for Happy), six Happy (five found, one taken for Angry). No other
// class.
Evaluation ten_images() {
  Evaluation evaluation{.loss = 1.25, .images = 10};
  evaluation.confusion[kAngry][kAngry] = 3;
  evaluation.confusion[kAngry][kHappy] = 1;
  evaluation.confusion[kHappy][kHappy] = 5;
  evaluation.confusion[kHappy][kAngry] = 1;
  return evaluation;
}

TEST(Evaluation, AccuracyIsTheShareOnTheDiagonal) { EXPECT_DOUBLE_EQ(ten_images().accuracy(), 0.8); }

TEST(Evaluation, PrecisionDividesByWhatWasPredicted) { EXPECT_DOUBLE_EQ(ten_images().precision(kAngry), 3.0 / 4); }

TEST(Evaluation, RecallDividesByWhatIsTrue) { EXPECT_DOUBLE_EQ(ten_images().recall(kHappy), 5.0 / 6); }

TEST(Evaluation, F1IsTheHarmonicMean) {
  Evaluation evaluation = ten_images();
  evaluation.confusion[kAngry][kHappy] = 3;  // recall 3/6, precision 3/4
  EXPECT_DOUBLE_EQ(evaluation.f1(kAngry), 2 * (0.5 * 0.75) / (0.5 + 0.75));
}

TEST(Evaluation, AClassThatIsNeitherThereNorPredictedHasNoScores) {
  EXPECT_TRUE(std::isnan(ten_images().precision(kDisgust)));
  EXPECT_TRUE(std::isnan(ten_images().recall(kDisgust)));
  EXPECT_TRUE(std::isnan(ten_images().f1(kDisgust)));
}

TEST(Evaluation, AClassThatIsNeverPredictedHasAnF1OfZero) {
  Evaluation evaluation = ten_images();
  evaluation.confusion[kDisgust][kHappy] = 2;
  EXPECT_TRUE(std::isnan(evaluation.precision(kDisgust)));
  EXPECT_EQ(evaluation.f1(kDisgust), 0.0);
}

TEST(Evaluation, NothingEvaluatedHasNoAccuracy) { EXPECT_TRUE(std::isnan(Evaluation{}.accuracy())); }

TEST(Evaluation, TheJsonFormHoldsTheScoresOfEachClass) {
  const Json document = evaluation_to_json(ten_images());
  EXPECT_EQ(document["accuracy"], 0.8);
  EXPECT_EQ(document["per_class"].size(), 7U);
  EXPECT_EQ(document["per_class"][kAngry]["name"], "Angry");
  EXPECT_EQ(document["per_class"][kAngry]["images"], 4);
  EXPECT_EQ(document["per_class"][kDisgust]["precision"], nullptr);
}

TEST(Evaluation, TheJsonFormReadsBack) {
  const Evaluation read = evaluation_from_json(evaluation_to_json(ten_images()), "result.json");
  EXPECT_EQ(read.loss, 1.25);
  EXPECT_EQ(read.images, 10);
  EXPECT_EQ(read.confusion, ten_images().confusion);
}

TEST(Evaluation, TheScoreWithoutCopiesReadsBack) {
  Evaluation evaluation = ten_images();
  evaluation.without_copies = Score{.loss = 1.5, .images = 8, .correct = 6};
  const Json document = evaluation_to_json(evaluation);
  EXPECT_EQ(document["without_copies"]["accuracy"], 0.75);
  const Evaluation read = evaluation_from_json(document, "result.json");
  EXPECT_EQ(read.without_copies, evaluation.without_copies);
  EXPECT_EQ(read.copies(), 2);
}

TEST(Evaluation, ADocumentOfAnEarlierVersionKnowsOfNoCopies) {
  Json document = evaluation_to_json(ten_images());
  document.erase("without_copies");
  const Evaluation read = evaluation_from_json(document, "result.json");
  EXPECT_FALSE(read.without_copies);
  EXPECT_EQ(read.copies(), 0);
}

TEST(Evaluation, MoreImagesWithoutCopiesThanImagesAreTheUsersError) {
  Evaluation evaluation = ten_images();
  evaluation.without_copies = Score{.loss = 1.5, .images = 11, .correct = 6};
  EXPECT_THROW(static_cast<void>(evaluation_from_json(evaluation_to_json(evaluation), "result.json")), Error);
}

TEST(Evaluation, ALossThatIsNotANumberReadsBackAsSuch) {
  EXPECT_TRUE(std::isnan(evaluation_from_json(evaluation_to_json(Evaluation{}), "result.json").loss));
}

TEST(Evaluation, ADocumentOfAnotherKindIsTheUsersError) {
  try {
    (void)evaluation_from_json(Json::parse(R"({"loss": "low"})"), "result.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    EXPECT_THAT(error.what(), HasSubstr("result.json: not an evaluation"));
  }
}

TEST(Evaluation, CountsThatWouldOverflowTheirSumsAreTheUsersError) {
  for (const char* count : {"4611686018427387904", "-1", "0.5", "true"}) {
    Json document = evaluation_to_json(Evaluation{});
    document["confusion"][3][3] = Json::parse(count);
    EXPECT_THROW(static_cast<void>(evaluation_from_json(document, "result.json")), Error) << count;
  }
}

}  // namespace
}  // namespace fer_ddp
