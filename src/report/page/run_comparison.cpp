#include "report/page/run_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/text.h"
#include "report/page/curve_marks.h"
#include "report/page/data_section.h"
#include "report/page/html.h"
#include "report/page/run_summary.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

double test_accuracy(const ReportRun& run) {
  return run.result && run.result->test ? run.result->test->accuracy() : std::numeric_limits<double>::quiet_NaN();
}

std::string run_heading(const ReportRun& run, size_t index) {
  return fmt::format(R"(<th scope="row"><span class="swatch {}"></span>{}</th>)", run_style(index),
                     escape_html(run.name));
}

// A metric of its best epoch, with the epoch beneath.
std::string best_cell(const ReportRun& run, std::optional<int> epoch, double EpochRecord::*metric,
                      std::string (*text)(double)) {
  const EpochRecord* record = find_epoch(run, epoch);
  if (record == nullptr) return "<td>–</td>";
  return fmt::format("<td>{}<small>{}</small></td>", text(record->*metric), epoch_name(record->epoch));
}

std::string results_row(const ReportRun& run, size_t index, double highest) {
  const double accuracy = test_accuracy(run);
  const std::optional<MajorityBaseline> baseline = majority_baseline(run, BaselineOf::kTest);
  const std::string versus =
      baseline && std::isfinite(accuracy)
          ? fmt::format("<small>always {} {}</small>", baseline->class_name, percent_text(baseline->accuracy))
          : "";
  const std::string without_copies = run.result && run.result->test && run.result->test->copies() > 0
                                         ? fmt::format("<small>{} without copies of training images</small>",
                                                       percent_text(run.result->test->without_copies->accuracy()))
                                         : "";
  std::string row =
      fmt::format(R"(<tr>{}<td class="main{}">{}{}{}</td><td>{}</td>)", run_heading(run, index),
                  accuracy == highest ? " first" : "", percent_text(accuracy), without_copies, versus,
                  loss_text(run.result && run.result->test ? run.result->test->loss : EpochRecord::kMissing));
  row += best_cell(run, best_epoch_by_loss(run.history), &EpochRecord::val_loss, loss_text);
  row += best_cell(run, best_epoch_by_accuracy(run.history), &EpochRecord::val_accuracy,
                   [](double share) { return percent_text(share); });
  const std::optional<int> kept = kept_epoch(run);
  row += fmt::format("<td>{}<small>{}</small></td>", run.history.size(), escape_html(stop_reason_words(run)));
  row += fmt::format("<td>{}</td>", kept ? epoch_name(*kept) : "–");
  const std::string ranks =
      run.result ? fmt::format(", {} rank{}", run.result->world_size, run.result->world_size == 1 ? "" : "s") : "";
  return row + fmt::format("<td>{}<small>{} images/s{}</small></td></tr>", human_duration(run_seconds(run)),
                           grouped_rounded(usual_images_per_second(run)), ranks);
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

std::string column_headings(std::span<const ReportRun> runs) {
  std::string html;
  for (size_t i = 0; i < runs.size(); ++i) {
    html += fmt::format(R"(<th scope="col"><span class="swatch {}"></span>{}</th>)", run_style(i),
                        escape_html(runs[i].name));
  }
  return html;
}

}  // namespace

std::string results_section(std::span<const ReportRun> runs) {
  double highest = -1;
  for (const ReportRun& run : runs) {
    if (test_accuracy(run) > highest) highest = test_accuracy(run);
  }
  std::string rows;
  for (size_t i = 0; i < runs.size(); ++i) rows += results_row(runs[i], i, highest);
  return fmt::format(
      R"(<section class="outcome"><div class="scrolls"><table class="results"><thead><tr><th scope="col">run</th>)"
      R"(<th scope="col">test accuracy</th><th scope="col">test loss</th><th scope="col">lowest validation loss</th>)"
      R"(<th scope="col">highest validation accuracy</th><th scope="col">epochs</th><th scope="col">weights kept</th>)"
      R"(<th scope="col">time</th></tr></thead><tbody>{}</tbody></table></div></section>)",
      rows);
}

std::string differences_section(std::span<const ReportRun> runs) {
  std::string rows;
  for (const std::string& key : config_keys(runs)) {
    if (key == "name" || key == "output" || !differs(runs, key)) continue;
    rows += fmt::format(R"(<tr><th scope="row">{}</th>)", escape_html(key));
    for (const ReportRun& run : runs) {
      const std::string value = value_text(run.config, key);
      rows += fmt::format("<td>{}</td>", value.empty() ? "–" : escape_html(value));
    }
    rows += "</tr>";
  }
  if (rows.empty())
    return R"(<section><h2>How the runs differ</h2><p class="note">All have the same configuration.</p></section>)";
  return fmt::format(
      R"(<section><h2>How the runs differ</h2><div class="scrolls"><table class="differences"><thead><tr>)"
      R"(<th scope="col">key</th>{}</tr></thead><tbody>{}</tbody></table></div></section>)",
      column_headings(runs), rows);
}

std::string recall_section(std::span<const ReportRun> runs) {
  if (std::none_of(runs.begin(), runs.end(), [](const ReportRun& run) { return run.result && run.result->test; }))
    return {};
  std::string rows;
  for (int label = 0; label < kExpressionCount; ++label) {
    rows += fmt::format(R"(<tr><th scope="row">{}</th>)", kExpressionNames[static_cast<size_t>(label)]);
    for (const ReportRun& run : runs) {
      const double recall = run.result && run.result->test ? run.result->test->recall(label) : EpochRecord::kMissing;
      rows += std::isfinite(recall)
                  ? fmt::format(R"(<td class="score" style="--share:{:.3f}">{:.1f}</td>)", recall, 100 * recall)
                  : R"(<td class="score">–</td>)";
    }
    rows += "</tr>";
  }
  return fmt::format(
      R"(<section><h2>Who recognises what</h2><p class="note">Recall on the test images: of each expression, the percentage )"
      R"(that is recognised.</p><div class="scrolls"><table class="scores"><thead><tr><th scope="col">class</th>{}</tr></thead>)"
      R"(<tbody>{}</tbody></table></div></section>)",
      column_headings(runs), rows);
}

}  // namespace fer_ddp
