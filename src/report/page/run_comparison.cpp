#include "report/page/run_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "core/statistics.h"
#include "core/text.h"
#include "report/page/class_results.h"
#include "report/page/curve_marks.h"
#include "report/page/data_section.h"
#include "report/page/html.h"
#include "report/page/run_summary.h"
#include "report/predictions.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

double test_accuracy(const ReportRun& run) {
  return run.result && run.result->test ? run.result->test->accuracy() : std::numeric_limits<double>::quiet_NaN();
}

// A metric of its best epoch, with the epoch beneath.
Html best_cell(const ReportRun& run, std::optional<int> epoch, double EpochRecord::*metric,
               std::string (*text)(double)) {
  const EpochRecord* record = find_epoch(run, epoch);
  return record == nullptr ? cell("–") : cell(text(record->*metric), small(epoch_name(record->epoch)));
}

// What stands under a run's test accuracy.
Html accuracy_details(const ReportRun& run) {
  if (!run.result || !run.result->test) return {};
  const Evaluation& test = *run.result->test;
  const ShareInterval interval = wilson_interval(test.correct(), test.images);
  Html details;
  if (test.images > 0)
    details += small(fmt::format("{} to {}", percent_text(interval.low), percent_text(interval.high)));
  if (test.copies() > 0)
    details +=
        small(fmt::format("{} without copies of training images", percent_text(test.without_copies->accuracy())));
  if (const auto baseline = majority_baseline(run, BaselineOf::kTest); baseline && std::isfinite(test.accuracy()))
    details += small(fmt::format("always {} {}", baseline->class_name, percent_text(baseline->accuracy)));
  return details;
}

Html results_row(const ReportRun& run, size_t index, double highest) {
  const double accuracy = test_accuracy(run);
  const std::optional<int> kept = kept_epoch(run);
  const std::string ranks =
      run.result ? fmt::format(", {} rank{}", run.result->world_size, run.result->world_size == 1 ? "" : "s") : "";
  Html cells = cell(loss_text(run.result && run.result->test ? run.result->test->loss : EpochRecord::kMissing));
  cells += best_cell(run, best_epoch_by_loss(run.history), &EpochRecord::val_loss, loss_text);
  cells += best_cell(run, best_epoch_by_accuracy(run.history), &EpochRecord::val_accuracy,
                     [](double share) { return percent_text(share); });
  cells += cell(fmt::format("{}", run.history.size()), small(stop_reason_words(run)));
  cells += cell(kept ? epoch_name(*kept) : "–");
  cells += cell(human_duration(run_seconds(run)),
                small(fmt::format("{} images/s{}", grouped_rounded(usual_images_per_second(run)), ranks)));
  return fill("results-row", {{"heading", fill("run-row-heading", {{"style", run_style(index)}, {"name", run.name}})},
                              {"first", accuracy == highest ? " first" : ""},
                              {"accuracy", percent_text(accuracy)},
                              {"details", accuracy_details(run)},
                              {"cells", cells}});
}

// A key's value as text; an empty text where the run has no such key.
std::string value_text(const Json& config, const std::string& key) {
  if (!config.is_object() || !config.contains(key)) return {};
  const Json& value = config.at(key);
  if (value.is_null()) return "off";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// All keys of all runs, in the order in which they first appear.
std::vector<std::string> config_keys(std::span<const ReportRun> runs) {
  std::vector<std::string> keys;
  for (const ReportRun& run : runs) {
    if (!run.config.is_object()) continue;
    for (const auto& [key, value] : run.config.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

bool differs(std::span<const ReportRun> runs, const std::string& key) {
  return std::any_of(runs.begin(), runs.end(), [&](const ReportRun& run) {
    return value_text(run.config, key) != value_text(runs[0].config, key);
  });
}

Html column_headings(std::span<const ReportRun> runs) {
  Html html;
  for (size_t i = 0; i < runs.size(); ++i)
    html += fill("run-column-heading", {{"style", run_style(i)}, {"name", runs[i].name}});
  return html;
}

// Pairs of runs by index, the better one second.
using RunPair = std::pair<size_t, size_t>;

constexpr size_t kMostPairs = 6;

std::vector<RunPair> pairs_to_test(std::span<const ReportRun> runs) {
  std::vector<size_t> tested;
  for (size_t i = 0; i < runs.size(); ++i)
    if (!runs[i].predictions.empty()) tested.push_back(i);
  std::stable_sort(tested.begin(), tested.end(),
                   [&](size_t one, size_t other) { return test_accuracy(runs[one]) < test_accuracy(runs[other]); });
  const bool all = tested.size() * (tested.size() - 1) / 2 <= kMostPairs;
  std::vector<RunPair> pairs;
  for (size_t second = tested.size(); second-- > 0;) {
    if (!all && second + 1 != tested.size()) break;
    for (size_t first = 0; first < second; ++first)
      if (same_images(runs[tested[first]].predictions, runs[tested[second]].predictions))
        pairs.emplace_back(tested[first], tested[second]);
  }
  return pairs;
}

double accuracy_of(std::span<const TestPrediction> predictions, bool with_copies) {
  int64_t images = 0;
  int64_t right = 0;
  for (const TestPrediction& prediction : predictions) {
    if (prediction.copy && !with_copies) continue;
    ++images;
    if (prediction.said.is_right()) ++right;
  }
  return images == 0 ? EpochRecord::kMissing : static_cast<double>(right) / static_cast<double>(images);
}

std::string points_text(double difference) { return fmt::format("{:+.1f} points", 100 * difference); }

Html paired_row(std::span<const ReportRun> runs, const RunPair& pair) {
  const ReportRun& first = runs[pair.first];
  const ReportRun& second = runs[pair.second];
  const PairedCounts counts = paired_counts(first.predictions, second.predictions);
  const double p = mcnemar_p(counts);
  const double without = accuracy_of(second.predictions, false) - accuracy_of(first.predictions, false);
  const bool has_copies = std::any_of(first.predictions.begin(), first.predictions.end(),
                                      [](const TestPrediction& prediction) { return prediction.copy; });
  return fill(
      "paired-row",
      {{"first_style", run_style(pair.first)},
       {"first", first.name},
       {"second_style", run_style(pair.second)},
       {"second", second.name},
       {"first_accuracy", percent_text(accuracy_of(first.predictions, true))},
       {"second_accuracy", percent_text(accuracy_of(second.predictions, true))},
       {"difference", points_text(accuracy_of(second.predictions, true) - accuracy_of(first.predictions, true))},
       {"difference_without",
        has_copies && std::isfinite(without) ? small(points_text(without) + " without copies") : Html()},
       {"only_first", grouped(counts.only_first)},
       {"only_second", grouped(counts.only_second)},
       {"p", probability_text(p)},
       {"verdict", p < kSignificance ? fill("bold", {{"text", "yes"}}) : html_of("no")}});
}

}  // namespace

Html results_section(std::span<const ReportRun> runs) {
  double highest = -1;
  for (const ReportRun& run : runs) {
    if (test_accuracy(run) > highest) highest = test_accuracy(run);
  }
  Html rows;
  for (size_t i = 0; i < runs.size(); ++i) rows += results_row(runs[i], i, highest);
  return fill("results", {{"rows", rows}});
}

Html paired_section(std::span<const ReportRun> runs) {
  const std::vector<RunPair> pairs = pairs_to_test(runs);
  if (pairs.empty())
    return fill("paired-absent", {{"words",
                                   "No two of the runs have a predictions.csv of the same test images: their scores "
                                   "can only be compared by the intervals above."}});
  Html rows;
  for (const RunPair& pair : pairs) rows += paired_row(runs, pair);
  std::string words = fmt::format(
      "Two runs on the same {} test images: what tells them apart are the images that one of them alone gets right. "
      "p is how likely two equally good networks would differ at least as much (McNemar's exact test); below {} the "
      "difference is called more than noise.",
      grouped(static_cast<int64_t>(runs[pairs[0].first].predictions.size())), kSignificance);
  if (pairs.size() > 1)
    words += fmt::format(" These are {} tests: one in twenty of equal pairs passes for unequal.", pairs.size());
  return fill("paired", {{"words", words}, {"rows", rows}});
}

Html differences_section(std::span<const ReportRun> runs) {
  Html rows;
  for (const std::string& key : config_keys(runs)) {
    if (key == "name" || key == "output" || !differs(runs, key)) continue;
    Html values;
    for (const ReportRun& run : runs) {
      const std::string value = value_text(run.config, key);
      values += cell(value.empty() ? "–" : value);
    }
    rows += fill("differences-row", {{"key", key}, {"values", values}});
  }
  if (rows.empty()) return fill("differences-none");
  return fill("differences", {{"headings", column_headings(runs)}, {"rows", rows}});
}

Html recall_section(std::span<const ReportRun> runs) {
  if (std::none_of(runs.begin(), runs.end(), [](const ReportRun& run) { return run.result && run.result->test; }))
    return {};
  const auto row = [&](std::string_view name, const std::function<double(const Evaluation&)>& score) {
    Html scores;
    for (const ReportRun& run : runs)
      scores += score_cell(run.result && run.result->test ? score(*run.result->test) : EpochRecord::kMissing);
    return fill("recalls-row", {{"name", name}, {"scores", scores}});
  };
  Html rows;
  for (int label = 0; label < kExpressionCount; ++label)
    rows += row(kExpressionNames[static_cast<size_t>(label)],
                [label](const Evaluation& test) { return test.recall(label); });
  return fill("recalls",
              {{"headings", column_headings(runs)}, {"rows", rows}, {"mean", row("mean", [](const Evaluation& test) {
                                                                       return mean_score(test, &Evaluation::recall);
                                                                     })}});
}

}  // namespace fer_ddp
