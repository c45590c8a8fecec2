#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "report/calibration.h"
#include "report/html_report.h"
#include "report/mistakes.h"
#include "report/page/explanation.h"
#include "report/page/template.h"

namespace fer_ddp {

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TestPrediction said(int32_t row, uint8_t label, uint8_t called, float probability) {
  return {.row = row,
          .said = {.label = label,
                   .called = called,
                   .probability = probability,
                   .label_probability = label == called ? probability : 0.01F}};
}

// Of 3,588 images: epoch 15 has the lowest loss, epoch 20 the highest accuracy, epoch 22 is the last one.
ReportRun run_of_three_candidates(bool restores) {
  const auto score = [](int64_t correct, double loss) {
    return Score{.loss = loss, .images = 3588, .correct = correct};
  };
  ReportRun run{.name = "experiment"};
  run.config = {{"monitor", "val_loss"}};
  Evaluation test{.loss = 1.29, .images = 3588};
  test.confusion[3] = {0, 0, 0, restores ? 1866 : 1930, 0, 0, restores ? 1722 : 1658};
  run.result = RunResult{.stop_reason = "early_stopping",
                         .epochs_run = 22,
                         .best_epoch_by_loss = 14,
                         .best_epoch_by_accuracy = 19,
                         .final_epoch = 21,
                         .restored_epoch = restores ? std::optional(14) : std::nullopt,
                         .test = test};
  run.result->candidates = {
      {.epoch = 14,
       .lowest_loss = true,
       .early_stopping_best = true,
       .kept = restores,
       .val_loss = 1.3091,
       .val_accuracy = 0.52,
       .test = score(1866, 1.2963)},
      {.epoch = 19, .highest_accuracy = true, .val_loss = 1.32, .val_accuracy = 0.53, .test = score(1905, 1.31)},
      {.epoch = 21,
       .last = true,
       .kept = !restores,
       .val_loss = 1.33,
       .val_accuracy = 0.525,
       .test = score(1930, 1.3189)}};
  run.result->comparisons = {{14, 19, {180, 219}}, {14, 21, {150, 214}}, {19, 21, {100, 125}}};
  return run;
}

TEST(Template, PutsTextInEscapedAndMarkupAsItIs) {
  EXPECT_EQ(fill("note", {{"text", "a < b"}}).markup, "<p class=\"note\">a &lt; b</p>");
  EXPECT_EQ(fill("note", {{"text", fill("bold", {{"text", "\"&\""}})}}).markup,
            "<p class=\"note\"><b>&quot;&amp;&quot;</b></p>");
}

TEST(Template, RefusesOtherPlacesThanItHas) {
  EXPECT_THROW((void)fill("no such fragment"), Error);
  EXPECT_THROW((void)fill("note", {{"words", "a"}}), Error);
  EXPECT_THROW((void)fill("note"), Error);
  EXPECT_THROW((void)fill("note", {{"text", "a"}, {"words", "b"}}), Error);
}

TEST(Template, FilesHoldFragmentsOfDifferentNames) {
  size_t begins = 0;
  for (const BuiltInTemplate& file : built_in_templates()) {
    const std::string_view text = file.text;
    for (size_t at = text.find("<template id="); at != std::string_view::npos; at = text.find("<template id=", at + 1))
      ++begins;
  }
  EXPECT_EQ(fragment_names().size(), begins);
  EXPECT_FALSE(style_sheet().empty());
}

TEST(Calibration, IsHowFarEachBinIsFromItsSureness) {
  // Two bins: four images said with 0.9, of which two are right; two said with 0.5, of which one is right.
  const std::vector<TestPrediction> predictions = {said(0, 1, 1, 0.9F), said(1, 1, 1, 0.9F), said(2, 1, 2, 0.9F),
                                                   said(3, 1, 2, 0.9F), said(4, 1, 1, 0.5F), said(5, 1, 0, 0.5F)};
  const auto calibration = calibration_of(predictions);
  ASSERT_TRUE(calibration.has_value());
  EXPECT_EQ(calibration->images, 6);
  EXPECT_NEAR(calibration->accuracy, 0.5, 1e-12);
  EXPECT_NEAR(calibration->mean_probability, (4 * 0.9 + 2 * 0.5) / 6, 1e-7);
  EXPECT_NEAR(calibration->expected_error, 4.0 / 6 * 0.4, 1e-7);
}

TEST(Calibration, BinsHoldTheirUpperEnds) {
  const auto calibration = calibration_of(std::vector{said(0, 1, 1, 1.0F), said(1, 1, 1, 0.0F)});
  EXPECT_EQ(calibration->bins.back().images, 1);
  EXPECT_EQ(calibration->bins.front().images, 1);
  EXPECT_EQ(calibration->bins.size(), 15U);
}

TEST(Calibration, OfNoProbabilityIsNone) {
  EXPECT_FALSE(calibration_of({}).has_value());
  EXPECT_FALSE(calibration_of(std::vector{said(0, 1, 1, std::nanf(""))}).has_value());
}

TEST(Mistakes, AreTheWrongOnesTheSurestFirst) {
  const std::vector<TestPrediction> predictions = {said(3, 1, 2, 0.5F), said(5, 1, 1, 0.99F), said(8, 1, 0, 0.9F),
                                                   said(9, 4, 0, 0.9F), said(10, 4, 0, std::nanf(""))};
  std::vector<int32_t> rows;
  for (const Mistake& mistake : most_confident_mistakes(predictions, 3)) rows.push_back(mistake.said.row);
  EXPECT_THAT(rows, ElementsAre(8, 9, 3));
  EXPECT_EQ(most_confident_mistakes(predictions, 1).size(), 1U);
  EXPECT_EQ(most_confident_mistakes(predictions, 1)[0].index, 2U);
}

TEST(Explanation, SaysWhatTheOtherEpochsWouldHaveScored) {
  EXPECT_THAT(
      explanation_in_words(run_of_three_candidates(true)),
      ElementsAre(
          "Yes: the weights of epoch\u00a022 do better than those of epoch\u00a015, which were kept, by more than "
          "noise.",
          "Epoch\u00a015 had the lowest validation loss (1.3091), epoch\u00a020 the highest validation accuracy "
          "(53.0\u00a0%).",
          "restore_best_weights went back to epoch\u00a015, the best by val_loss, which is what was monitored.",
          "On the 3,588 test images the weights of epoch\u00a022 get 53.8\u00a0% right and those of epoch\u00a015, "
          "which "
          "were kept, 52.0\u00a0%: 64 images more. One of the two alone is right on 364 images (214 and 150); two "
          "equally good networks would differ as much with p = 0.00093: more than noise.",
          "On the 3,588 test images the weights of epoch\u00a020 get 53.1\u00a0% right and those of epoch\u00a015, "
          "which "
          "were kept, 52.0\u00a0%: 39 images more. One of the two alone is right on 399 images (219 and 180); two "
          "equally good networks would differ as much with p = 0.057: no more than noise.",
          "Loss and accuracy disagree because loss also counts how sure the network is: from epoch\u00a015 to "
          "epoch\u00a022 it gets more test images right (1,866 to 1,930) at a higher loss (1.2963 to 1.3189), surer "
          "where "
          "it is wrong."));
}

TEST(Explanation, SaysWhatRestoringWouldHaveGiven) {
  const std::vector<std::string> words = explanation_in_words(run_of_three_candidates(false));
  EXPECT_THAT(words[0], HasSubstr("No: no other of these epochs does better than epoch\u00a022"));
  EXPECT_THAT(words[0], HasSubstr("Those of epoch\u00a015 do worse by more than noise."));
  EXPECT_EQ(words[2],
            "The run ends with the weights of its last epoch, epoch\u00a022: restore_best_weights is off, and would "
            "have gone back to epoch\u00a015, the best by val_loss.");
}

TEST(Explanation, NamesWeightsThatWereNotKept) {
  ReportRun run = run_of_three_candidates(true);
  run.result->candidates[1].test.reset();
  run.result->comparisons = {{14, 21, {150, 214}}};
  EXPECT_THAT(explanation_in_words(run).back(), HasSubstr("No weights of epoch\u00a020 were kept"));
}

TEST(Explanation, OfARunWithOneEpochForAllIsShort) {
  ReportRun run = run_of_three_candidates(true);
  run.result->candidates.resize(1);
  RunCandidate& only = run.result->candidates[0];
  only.highest_accuracy = only.last = true;
  EXPECT_THAT(explanation_in_words(run)[0], HasSubstr("There was nothing to choose"));
  EXPECT_THAT(explanation_section(run).markup, Not(HasSubstr("<table")));
}

TEST(Explanation, IsAbsentWhereTheResultHasNoCandidates) {
  ReportRun run = run_of_three_candidates(true);
  run.result->candidates.clear();
  EXPECT_TRUE(explanation_section(run).empty());
  run.result.reset();
  EXPECT_THAT(explanation_in_words(run), IsEmpty());
}

TEST(Explanation, IsATableOfTheCandidatesAsWell) {
  const std::string html = explanation_section(run_of_three_candidates(true)).markup;
  EXPECT_THAT(html,
              HasSubstr("<tr class=\"kept\"><th scope=\"row\">epoch\u00a015<small>lowest validation loss</small>"));
  EXPECT_THAT(html, HasSubstr("39 images more<small>p = 0.057</small>"));
  EXPECT_THAT(html, HasSubstr("50.4\u00a0% to 53.6\u00a0%"));  // Wilson's of 1,866 of 3,588
}

// Two runs on four images: the second alone is right on one of them.
std::vector<ReportRun> compared_runs() {
  std::vector<ReportRun> runs = {{.name = "first"}, {.name = "second"}};
  for (ReportRun& run : runs) {
    run.result = RunResult{.stop_reason = "epochs_done", .test = Evaluation{.loss = 1, .images = 4}};
    run.predictions = {said(0, 1, 1, 0.9F), said(1, 1, 2, 0.8F), said(2, 1, 2, 0.7F), said(3, 1, 0, 0.6F)};
  }
  runs[1].predictions[1] = said(1, 1, 1, 0.5F);
  runs[1].predictions[2].copy = runs[0].predictions[2].copy = true;
  runs[0].result->test->confusion[1] = {1, 1, 2, 0, 0, 0, 0};
  runs[1].result->test->confusion[1] = {1, 2, 1, 0, 0, 0, 0};
  return runs;
}

TEST(ComparedRuns, ArePairedOnTheSameImages) {
  const std::string html = html_report(compared_runs());
  EXPECT_THAT(html, HasSubstr("<td>25.0\u00a0%<br>50.0\u00a0%</td><td>+25.0 points<small>+33.3 points without copies"
                              "</small></td><td>1</td><td class=\"verdict\">no</td><td>0</td><td>1</td>"));
}

TEST(ComparedRuns, OfOtherImagesAreNotPaired) {
  std::vector<ReportRun> runs = compared_runs();
  runs[1].predictions.pop_back();
  EXPECT_THAT(html_report(runs), HasSubstr("No two of the runs have a predictions.csv of the same test images"));
}

TEST(ComparedRuns, ShowTheMistakesThatAllOfThemMake) {
  std::vector<ReportRun> runs = compared_runs();
  runs[0].mistakes = most_confident_mistakes(runs[0].predictions, 10);
  for (Mistake& mistake : runs[0].mistakes) mistake.face_png = "face";
  const std::string html = html_report(runs);
  EXPECT_THAT(html, HasSubstr("row 2, a copy"));
  EXPECT_THAT(html, HasSubstr("row 3<"));
  EXPECT_THAT(html, Not(HasSubstr("row 1<")));
}

// Seven long runs with everything that a page can show of them.
TEST(HtmlReportSize, OfManyLongRunsStaysBelowThreeMegabytes) {
  std::vector<ReportRun> runs(7, run_of_three_candidates(true));
  for (ReportRun& run : runs) {
    for (int epoch = 0; epoch < 300; ++epoch)
      run.history.push_back({.epoch = epoch, .loss = 1.5, .accuracy = 0.5, .val_loss = 1.4, .val_accuracy = 0.5});
    for (int32_t row = 0; row < 3588; ++row) run.predictions.push_back(said(row, 3, row % 2 == 0 ? 3 : 6, 0.5F));
    run.mistakes = most_confident_mistakes(run.predictions, 72);
    for (Mistake& mistake : run.mistakes) mistake.face_png = std::string(2400, 'x');
    run.faces_png = run.seen_png = std::string(60'000, 'x');
  }
  EXPECT_LT(html_report(runs).size(), 3'000'000U);
  EXPECT_LT(html_report(std::span(runs).first(1)).size(), 3'000'000U);
}

}  // namespace

}  // namespace fer_ddp
