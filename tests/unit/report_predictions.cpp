#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "report/predictions.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;

TestPrediction said(int32_t row, uint8_t label, uint8_t called) {
  return {.row = row, .said = {.label = label, .called = called, .probability = 0.5F, .label_probability = 0.25F}};
}

std::string refusal(const std::string& lines) {
  try {
    (void)parse_predictions("row,true,predicted,probability,probability_of_true,copy\n" + lines, "predictions.csv");
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    return error.what();
  }
  return "nothing was refused";
}

TEST(Predictions, AreReadBackAsTheyWereWritten) {
  std::vector<TestPrediction> predictions = {said(7, 3, 3), said(9, 0, 6)};
  predictions[1].copy = true;
  const std::string text = predictions_csv(predictions);
  EXPECT_EQ(text, "row,true,predicted,probability,probability_of_true,copy\n7,3,3,0.5,0.25,0\n9,0,6,0.5,0.25,1\n");
  EXPECT_EQ(parse_predictions(text, "predictions.csv"), predictions);
}

TEST(Predictions, OfWeightsThatAreNotFiniteAreNotNumbers) {
  std::vector<TestPrediction> predictions = {said(0, 3, 0)};
  predictions[0].said.probability = -std::nanf("");
  const auto read = parse_predictions(predictions_csv(predictions), "predictions.csv");
  EXPECT_TRUE(std::isnan(read[0].said.probability));
}

TEST(Predictions, WhatIsNotAsItIsWrittenIsNamedWithItsLine) {
  EXPECT_EQ(refusal("1,2,3\n"), "predictions.csv, line 2: 3 fields, expected 6");
  EXPECT_EQ(refusal("1,7,0,0.5,0.5,0\n"), "predictions.csv, line 2: \"7\" in field 2, expected a number from 0 to 6");
  EXPECT_EQ(refusal("5,0,0,0.5,0.5,0\n5,0,0,0.5,0.5,0\n"), "predictions.csv, line 3: row 5 follows row 5");
  EXPECT_THAT(refusal("1,0,0,1.5,0.5,0\n"), HasSubstr("\"1.5\" in field 4"));
  EXPECT_THAT(refusal("1,0,0,0.5,0.5,maybe\n"), HasSubstr("\"maybe\" in field 6"));
  EXPECT_THROW((void)parse_predictions("", "predictions.csv"), Error);
}

TEST(Predictions, ArePairedImageByImage) {
  const std::vector<TestPrediction> first = {said(0, 1, 1), said(1, 1, 1), said(2, 1, 2), said(3, 1, 2)};
  const std::vector<TestPrediction> second = {said(0, 1, 1), said(1, 1, 3), said(2, 1, 1), said(3, 1, 3)};
  EXPECT_TRUE(same_images(first, second));
  EXPECT_EQ(paired_counts(first, second), (PairedCounts{1, 1}));
  EXPECT_FALSE(same_images(first, std::span(second).first(3)));
  EXPECT_FALSE(same_images(std::vector{said(0, 1, 1)}, std::vector{said(0, 2, 1)}));
}

}  // namespace

}  // namespace fer_ddp
