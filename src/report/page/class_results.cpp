#include "report/page/class_results.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "core/text.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

constexpr double kDarkCell = 0.7;  // from this share on, a cell's text is light
constexpr auto kClasses = static_cast<size_t>(kExpressionCount);

double share_of(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

Html confusion_cell(const Evaluation& evaluation, size_t truth, size_t predicted) {
  const int64_t count = evaluation.confusion[truth][predicted];
  const int64_t all = total(evaluation.confusion[truth]);
  const double share = share_of(count, all);
  const std::string style = truth == predicted ? "right" : "wrong";
  return fill("confusion-cell", {{"style", style + (share >= kDarkCell ? " dark" : "")},
                                 {"share", fmt::format("{:.3f}", share)},
                                 {"truth", kExpressionNames[truth]},
                                 {"predicted", kExpressionNames[predicted]},
                                 {"count", grouped(count)},
                                 {"all", grouped(all)},
                                 {"percent", fmt::format("{:.0f}", 100 * share)}});
}

Html class_row(std::string_view name, double precision, double recall, double f1, int64_t images) {
  return fill("class-scores-row", {{"name", name},
                                   {"scores", score_cell(precision) + score_cell(recall) + score_cell(f1)},
                                   {"images", grouped(images)}});
}

}  // namespace

Html score_cell(double score) {
  if (!std::isfinite(score)) return fill("score-absent");
  return fill("score", {{"share", fmt::format("{:.3f}", score)}, {"value", fmt::format("{:.1f}", 100 * score)}});
}

double mean_score(const Evaluation& evaluation, double (Evaluation::*score)(int) const) {
  double sum = 0;
  int count = 0;
  for (int label = 0; label < kExpressionCount; ++label) {
    const double value = (evaluation.*score)(label);
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
}

Html confusion_table(const Evaluation& evaluation) {
  Html headings;
  Html rows;
  for (size_t truth = 0; truth < kClasses; ++truth) {
    headings += fill("column-heading", {{"text", kExpressionNames[truth]}});
    Html cells;
    for (size_t predicted = 0; predicted < kClasses; ++predicted) cells += confusion_cell(evaluation, truth, predicted);
    rows += fill("confusion-row", {{"name", kExpressionNames[truth]}, {"cells", cells}});
  }
  return fill("confusion", {{"headings", headings}, {"rows", rows}});
}

Html score_table(const Evaluation& evaluation) {
  Html rows;
  const ClassCounts counts = evaluation.true_counts();
  for (int label = 0; label < kExpressionCount; ++label) {
    const auto index = static_cast<size_t>(label);
    rows += class_row(kExpressionNames[index], evaluation.precision(label), evaluation.recall(label),
                      evaluation.f1(label), counts[index]);
  }
  const Html mean =
      class_row("mean", mean_score(evaluation, &Evaluation::precision), mean_score(evaluation, &Evaluation::recall),
                mean_score(evaluation, &Evaluation::f1), evaluation.images);
  return fill("class-scores", {{"rows", rows}, {"mean", mean}});
}

std::string confusion_in_words(const Evaluation& evaluation) {
  int best = -1;
  double best_recall = -1;
  size_t truth = 0;
  size_t taken_for = 0;
  double worst_share = 0;
  for (int label = 0; label < kExpressionCount; ++label) {
    const double recall = evaluation.recall(label);
    if (recall > best_recall) {
      best = label;
      best_recall = recall;
    }
  }
  for (size_t row = 0; row < kClasses; ++row) {
    for (size_t column = 0; column < kClasses; ++column) {
      const double share = share_of(evaluation.confusion[row][column], total(evaluation.confusion[row]));
      if (row == column || share <= worst_share) continue;
      truth = row;
      taken_for = column;
      worst_share = share;
    }
  }
  if (best < 0) return {};
  std::string words = fmt::format("{} is recognised best ({}).", kExpressionNames[static_cast<size_t>(best)],
                                  percent_text(best_recall, 0));
  if (worst_share > 0) {
    words += fmt::format(" The commonest mistake: {} of {} is taken for {}.", percent_text(worst_share, 0),
                         kExpressionNames[truth], kExpressionNames[taken_for]);
  }
  return words;
}

}  // namespace fer_ddp
