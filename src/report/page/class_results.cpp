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

std::string confusion_cell(const Evaluation& evaluation, size_t truth, size_t predicted) {
  const int64_t count = evaluation.confusion[truth][predicted];
  const double share = share_of(count, total(evaluation.confusion[truth]));
  const bool right = truth == predicted;
  return fmt::format(
      R"(<td class="cell {}{}" style="--share:{:.3f}" title="{} taken for {}: {} of {}"><b>{:.0f}</b><i>{}</i></td>)",
      right ? "right" : "wrong", share >= kDarkCell ? " dark" : "", share, kExpressionNames[truth],
      kExpressionNames[predicted], grouped(count), grouped(total(evaluation.confusion[truth])), 100 * share,
      grouped(count));
}

std::string score_cell(double score) {
  if (!std::isfinite(score)) return R"(<td class="score">–</td>)";
  return fmt::format(R"(<td class="score" style="--share:{:.3f}">{:.1f}</td>)", score, 100 * score);
}

// The mean over the classes that have the score.
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

}  // namespace

std::string confusion_table(const Evaluation& evaluation) {
  std::string html =
      R"(<div class="scrolls"><table class="confusion"><thead><tr><td></td><th class="axis-name" colspan="7">)"
      "predicted</th></tr><tr><th>true</th>";
  for (const std::string_view name : kExpressionNames) html += fmt::format(R"(<th scope="col">{}</th>)", name);
  html += "</tr></thead><tbody>";
  for (size_t truth = 0; truth < kClasses; ++truth) {
    html += fmt::format(R"(<tr><th scope="row">{}</th>)", kExpressionNames[truth]);
    for (size_t predicted = 0; predicted < kClasses; ++predicted) html += confusion_cell(evaluation, truth, predicted);
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string score_table(const Evaluation& evaluation) {
  std::string html =
      R"(<div class="scrolls"><table class="scores"><thead><tr><th scope="col">class</th><th scope="col">precision</th>)"
      R"(<th scope="col">recall</th><th scope="col">F1</th><th scope="col">images</th></tr></thead><tbody>)";
  const ClassCounts counts = evaluation.true_counts();
  for (int label = 0; label < kExpressionCount; ++label) {
    const auto index = static_cast<size_t>(label);
    html += fmt::format(R"(<tr><th scope="row">{}</th>{}{}{}<td>{}</td></tr>)", kExpressionNames[index],
                        score_cell(evaluation.precision(label)), score_cell(evaluation.recall(label)),
                        score_cell(evaluation.f1(label)), grouped(counts[index]));
  }
  html += fmt::format(R"(</tbody><tfoot><tr><th scope="row">mean</th>{}{}{}<td>{}</td></tr></tfoot></table></div>)",
                      score_cell(mean_score(evaluation, &Evaluation::precision)),
                      score_cell(mean_score(evaluation, &Evaluation::recall)),
                      score_cell(mean_score(evaluation, &Evaluation::f1)), grouped(evaluation.images));
  return html;
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
