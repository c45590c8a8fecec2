#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config.h"
#include "report/html_report.h"
#include "report/page/html.h"

namespace fer_ddp {
namespace {

using ::testing::IsEmpty;

constexpr double kNan = EpochRecord::kMissing;

// Six epochs, the lowest validation loss in epoch 3 and the highest validation accuracy in epoch 5 (as people count).
std::vector<EpochRecord> history() {
  std::vector<EpochRecord> records;
  for (int epoch = 0; epoch < 6; ++epoch) {
    records.push_back({.epoch = epoch,
                       .loss = 1.8 - 0.1 * epoch,
                       .accuracy = 0.3 + 0.05 * epoch,
                       .val_loss = epoch == 2 ? 1.25 : 1.5,
                       .val_accuracy = epoch == 4 ? 0.55 : 0.45,
                       .learning_rate = 0.001,
                       .seconds = 3,
                       .images_per_second = 8000});
  }
  return records;
}

// Eight images, 75 % right: five Happy and one Sad are recognised, two Angry taken for Happy.
Evaluation test_evaluation() {
  Evaluation test{.loss = 1.2345, .images = 8};
  test.confusion[3][3] = 5;
  test.confusion[4][4] = 1;
  test.confusion[0][3] = 2;
  return test;
}

ReportRun finished_run(const std::string& name = "baseline") {
  Config config;
  config.name = name;
  return {
      .name = name,
      .config = config_to_json(config),
      .history = history(),
      .result = RunResult{.stop_reason = "early_stopping",
                          .epochs_run = 6,
                          .best_epoch_by_loss = 2,
                          .best_epoch_by_accuracy = 4,
                          .final_epoch = 5,
                          .restored_epoch = 2,
                          .test = test_evaluation(),
                          .seconds = 20,
                          .world_size = 2,
                          .parameters = 839431,
                          .ranks = {{0, "node1", "cpu"}, {1, "node1", "cpu"}},
                          .started = "2026-01-31T12:00:00.000Z",
                          .finished = "2026-01-31T12:00:20.000Z"},
      .class_counts = std::array<ClassCounts, 3>{{{1, 1, 1, 9, 1, 1, 1}, {1, 1, 1, 7, 1, 1, 1}, {2, 0, 0, 5, 1, 0, 0}}},
      .faces_png = "not looked into"};
}

bool contains(const std::string& html, const char* part) { return html.find(part) != std::string::npos; }

std::string page(const ReportRun& run) { return html_report({&run, 1}); }

// The first closing tag that does not close what was opened last, or a tag left open; empty if all are in order.
std::string unbalanced_tag(const std::string& html) {
  constexpr std::array<std::string_view, 4> kWithoutEnd = {"meta", "img", "br", "!DOCTYPE"};
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    const bool closing = html[at + 1] == '/';
    const size_t start = at + (closing ? 2 : 1);
    const std::string name = html.substr(start, html.find_first_of(" />", start) - start);
    if (html[end - 1] == '/' || std::find(kWithoutEnd.begin(), kWithoutEnd.end(), name) != kWithoutEnd.end()) continue;
    if (!closing) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "/" + name;
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

TEST(HtmlReport, HoldsTestAccuracyAgainstTheMajorityBaseline) {
  const std::string html = page(finished_run());
  EXPECT_TRUE(contains(html, "<p class=\"number\">75.0\u00a0%</p>"));
  EXPECT_TRUE(contains(html, "always Happy 62.5\u00a0%"));
  EXPECT_TRUE(contains(html, "12.5 points above"));
}

TEST(HtmlReport, GivesTheTestAccuracyWithoutCopiesWhereThereAreAny) {
  ReportRun run = finished_run();
  run.result->test->without_copies = Score{.loss = 1.5, .images = 8, .correct = 6};
  EXPECT_FALSE(contains(page(run), "without copies"));
  run.result->test->without_copies = Score{.loss = 1.5, .images = 5, .correct = 3};
  EXPECT_TRUE(contains(page(run), "<dt>test accuracy without copies</dt><dd>60.0\u00a0%"));
  EXPECT_TRUE(contains(page(run), "3 test images are copies of training images"));
  EXPECT_TRUE(contains(html_report(std::vector{run, finished_run()}), "60.0\u00a0% without copies"));
}

TEST(HtmlReport, MarksBothBestEpochsAndTheOneWhoseWeightsWereKept) {
  const std::string html = page(finished_run());
  EXPECT_TRUE(contains(html, "lowest validation loss: <b>epoch\u00a03</b>"));
  EXPECT_TRUE(contains(html, "highest validation accuracy: <b>epoch\u00a05</b>"));
  EXPECT_TRUE(contains(html, "weights kept: <b>epoch\u00a03</b>"));
}

TEST(HtmlReport, NeedsNothingFromOutside) {
  const std::string html = page(finished_run());
  for (const char* outside : {"http:", "https:", "url(", "<script", "<link", "@import"})
    EXPECT_FALSE(contains(html, outside));
  EXPECT_TRUE(contains(html, "src=\"data:image/png;base64,"));
}

TEST(HtmlReport, ClosesEveryTag) {
  EXPECT_THAT(unbalanced_tag(page(finished_run())), IsEmpty());
  EXPECT_THAT(unbalanced_tag(html_report(std::vector{finished_run("a"), finished_run("b"), ReportRun{.name = "c"}})),
              IsEmpty());
}

TEST(HtmlReport, EscapesWhatARunBringsWithIt) {
  ReportRun run = finished_run("<script>alert('x')</script> & \"co\"");
  run.config["data"] = "<data>";
  run.result->ranks[0].host = "<host>";
  for (const std::string& html : {page(run), html_report(std::vector{run, finished_run()})}) {
    EXPECT_FALSE(contains(html, "<script"));
    EXPECT_FALSE(contains(html, "<data>"));
    EXPECT_FALSE(contains(html, "<host>"));
  }
}

TEST(HtmlReport, SaysThatARunIsStillGoing) {
  ReportRun run = finished_run();
  run.result.reset();
  const std::string html = page(run);
  EXPECT_TRUE(contains(html, "still going, or it was interrupted"));
  EXPECT_TRUE(contains(html, "highest validation accuracy so far"));
  EXPECT_TRUE(contains(html, "always Happy 53.8\u00a0%"));  // of the validation images
}

TEST(HtmlReport, SaysThatAStoppedRunWasNotTested) {
  ReportRun run = finished_run();
  run.result->test.reset();
  EXPECT_TRUE(contains(page(run), "Not tested"));
}

TEST(HtmlReport, WithoutTestImagesThereIsNoBaseline) {
  ReportRun run = finished_run();
  run.result->test.reset();
  (*run.class_counts)[2] = {};
  const std::string html = page(run);
  EXPECT_TRUE(contains(html, "Not tested: there are no test images"));
  EXPECT_TRUE(contains(html, "no majority baseline"));
  EXPECT_THAT(unbalanced_tag(html), IsEmpty());
  EXPECT_THAT(unbalanced_tag(html_report(std::vector{run, finished_run()})), IsEmpty());
}

TEST(HtmlReport, WithoutImagesInAnySplitIsAPage) {
  ReportRun run = finished_run();
  run.result->test = Evaluation{};
  run.class_counts = std::array<ClassCounts, 3>{};
  EXPECT_THAT(unbalanced_tag(page(run)), IsEmpty());
  run.result.reset();
  EXPECT_THAT(unbalanced_tag(page(run)), IsEmpty());
}

TEST(HtmlReport, OfARunThatDivergedKeepsNoEpoch) {
  ReportRun run{.name = "diverged"};
  run.result = RunResult{.stop_reason = "diverged", .has_weights = false};
  const std::string html = page(run);
  EXPECT_TRUE(contains(html, "the run diverged and left no weights"));
  EXPECT_FALSE(contains(html, "weights kept"));
  EXPECT_THAT(unbalanced_tag(html), IsEmpty());
}

TEST(HtmlReport, OfARunWithoutAnyEpochSaysSo) {
  const std::string html = page({.name = "fresh"});
  EXPECT_TRUE(contains(html, "No epoch has finished yet."));
  EXPECT_TRUE(contains(html, "No config.json"));
  EXPECT_TRUE(contains(html, "No sample faces"));
  EXPECT_THAT(unbalanced_tag(html), IsEmpty());
}

TEST(HtmlReport, OfOneEpochHasCurvesOfDots) {
  ReportRun run = finished_run();
  run.history.resize(1);
  EXPECT_TRUE(contains(page(run), "<circle class=\"dot\""));
}

TEST(HtmlReport, NeverShowsANumberThatIsNone) {
  ReportRun run = finished_run();
  for (EpochRecord& record : run.history) record.loss = record.val_loss = record.val_accuracy = kNan;
  run.result->test = Evaluation{};
  run.class_counts.reset();
  run.config.erase("terminate_on_nan");  // a key's name, no number
  const std::string html = page(run);
  const std::string body = html.substr(html.find("<body>"));
  EXPECT_FALSE(contains(body, "nan"));
  EXPECT_TRUE(contains(body, "Nothing to draw"));
}

TEST(HtmlReport, OfSeveralRunsComparesResultsAndNamesWhatDiffers) {
  ReportRun other = finished_run("experiment_1");
  other.config["learning_rate"] = 0.0001;
  const std::string html = html_report(std::vector{finished_run(), other});
  EXPECT_TRUE(contains(html, "<h1>2 runs compared</h1>"));
  EXPECT_TRUE(contains(html, "<th scope=\"row\">learning_rate</th><td>0.001</td><td>0.0001</td>"));
  EXPECT_FALSE(contains(html, "<th scope=\"row\">batch_size</th>"));
}

TEST(HtmlReport, ShowsWhatTheNetworkSeesWhereImagesAreChanged) {
  ReportRun run = finished_run();
  EXPECT_FALSE(contains(page(run), "As the network sees them"));
  run.seen_png = "foo";
  run.seen_words = "flip 50 %, shift 3 pixels";
  const std::string html = page(run);
  EXPECT_TRUE(contains(html, "<h2>As the network sees them</h2>"));
  EXPECT_TRUE(contains(html, "as the network sees it: flip 50 %, shift 3 pixels."));
  EXPECT_TRUE(contains(html, "src=\"data:image/png;base64,Zm9v\""));
  EXPECT_THAT(unbalanced_tag(html), IsEmpty());
}

TEST(HtmlReport, IsTheSameForTheSameRun) { EXPECT_EQ(page(finished_run()), page(finished_run())); }

TEST(Html, EscapesForTextAndAttributes) {
  EXPECT_EQ(escape_html("<a b=\"c\">'&"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;");
}

TEST(Html, BytesThatAreNotUtf8AreReplaced) { EXPECT_EQ(escape_html("a\xff<"), "a\uFFFD&lt;"); }

TEST(Html, ALossThatIsVeryLargeIsShort) {
  EXPECT_EQ(loss_text(1.25), "1.2500");
  EXPECT_EQ(loss_text(1e308), "1e+308");
}

TEST(Html, Base64PadsToFourLetters) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xff\xfe\xfd\xfc"), "//79/A==");
}

}  // namespace
}  // namespace fer_ddp
