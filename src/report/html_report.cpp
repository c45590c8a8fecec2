#include "report/html_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/page/calibration_section.h"
#include "report/page/class_results.h"
#include "report/page/curve_marks.h"
#include "report/page/curves.h"
#include "report/page/data_section.h"
#include "report/page/explanation.h"
#include "report/page/mistakes_section.h"
#include "report/page/run_comparison.h"
#include "report/page/run_summary.h"
#include "report/page/template.h"

namespace fer_ddp {

namespace {

Html class_results_section(const ReportRun& run) {
  if (!run.result || !run.result->test) return {};
  const Evaluation& test = *run.result->test;
  return fill(
      "class-results",
      {{"words", confusion_in_words(test)}, {"confusion", confusion_table(test)}, {"scores", score_table(test)}});
}

Html one_run(const ReportRun& run) {
  const std::span<const ReportRun> runs(&run, 1);
  return outcome_section(run) + explanation_section(run) + curves_section(runs) + history_table(run) +
         class_results_section(run) + calibration_section(runs) + mistakes_section(runs) + data_section(run) +
         seen_section(run) + setting_section(run);
}

Html confusion_tables(std::span<const ReportRun> runs) {
  Html figures;
  for (size_t i = 0; i < runs.size(); ++i)
    if (runs[i].result && runs[i].result->test)
      figures +=
          fill("confusions-figure",
               {{"style", run_style(i)}, {"name", runs[i].name}, {"table", confusion_table(*runs[i].result->test)}});
  return figures.empty() ? figures : fill("confusions", {{"figures", figures}});
}

// The data of the first run that knows its own.
Html data_of(std::span<const ReportRun> runs) {
  const auto known = std::find_if(runs.begin(), runs.end(),
                                  [](const ReportRun& run) { return run.class_counts || !run.faces_png.empty(); });
  return data_section(known == runs.end() ? runs.front() : *known);
}

Html several_runs(std::span<const ReportRun> runs) {
  return results_section(runs) + differences_section(runs) + paired_section(runs) + curves_section(runs) +
         recall_section(runs) + confusion_tables(runs) + calibration_section(runs) + mistakes_section(runs) +
         data_of(runs);
}

std::string names_of(std::span<const ReportRun> runs) {
  std::string names;
  for (const ReportRun& run : runs) names += (names.empty() ? "" : ", ") + run.name;
  return names;
}

}  // namespace

std::string html_report(std::span<const ReportRun> runs) {
  const bool is_one = runs.size() == 1;
  const std::string title = is_one ? runs[0].name : fmt::format("{} runs compared", runs.size());
  const std::string words = is_one ? run_in_words(runs[0]) : names_of(runs);
  return html_page(
      title, words, is_one ? one_run(runs[0]) : several_runs(runs),
      "Made by fer-ddp from the run's config.json, history.csv, result.json and predictions.csv. Epochs are "
      "counted from 1 here, from 0 in files.");
}

}  // namespace fer_ddp
