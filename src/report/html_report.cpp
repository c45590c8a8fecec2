#include "report/html_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/page/class_results.h"
#include "report/page/curve_marks.h"
#include "report/page/curves.h"
#include "report/page/data_section.h"
#include "report/page/html.h"
#include "report/page/run_comparison.h"
#include "report/page/run_summary.h"

namespace fer_ddp {

namespace {

std::string header(const std::string& title, const std::string& words) {
  return fmt::format(
      R"(<header><p class="kind">facial emotion recognition</p><h1>{}</h1><p class="words">{}</p></header>)",
      escape_html(title), escape_html(words));
}

std::string class_results_section(const ReportRun& run) {
  if (!run.result || !run.result->test) return {};
  const Evaluation& test = *run.result->test;
  return fmt::format(
      R"(<section><h2>What it takes for what</h2><p class="note">{} Each row is the images of one expression: )"
      R"(the large number is the percentage of the row, the small one how many images.</p>)"
      R"(<div class="class-results">{}{}</div></section>)",
      escape_html(confusion_in_words(test)), confusion_table(test), score_table(test));
}

std::string one_run(const ReportRun& run) {
  return header(run.name, run_in_words(run)) + outcome_section(run) + curves_section({&run, 1}) + history_table(run) +
         class_results_section(run) + data_section(run) + seen_section(run) + setting_section(run);
}

std::string confusion_tables(std::span<const ReportRun> runs) {
  std::string html;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].result || !runs[i].result->test) continue;
    html += fmt::format(R"(<figure><figcaption><span class="swatch {}"></span><b>{}</b></figcaption>{}</figure>)",
                        run_style(i), escape_html(runs[i].name), confusion_table(*runs[i].result->test));
  }
  return html.empty()
             ? ""
             : fmt::format(R"(<section><h2>What they take for what</h2><div class="figures">{}</div></section>)", html);
}

// The data of the first run that knows its own.
std::string data_of(std::span<const ReportRun> runs) {
  const auto known = std::find_if(runs.begin(), runs.end(),
                                  [](const ReportRun& run) { return run.class_counts || !run.faces_png.empty(); });
  return data_section(known == runs.end() ? runs.front() : *known);
}

std::string several_runs(std::span<const ReportRun> runs, const std::string& title) {
  std::string words;
  for (const ReportRun& run : runs) words += (words.empty() ? "" : ", ") + run.name;
  return header(title, words) + results_section(runs) + curves_section(runs) + differences_section(runs) +
         recall_section(runs) + confusion_tables(runs) + data_of(runs);
}

}  // namespace

std::string html_report(std::span<const ReportRun> runs) {
  const std::string title = runs.size() == 1 ? runs[0].name : fmt::format("{} runs compared", runs.size());
  const std::string body = runs.size() == 1 ? one_run(runs[0]) : several_runs(runs, title);
  return html_page(title, body,
                   "Made by fer-ddp from the run's config.json, history.csv and result.json. Epochs are counted from 1 "
                   "here, from 0 in files.");
}

}  // namespace fer_ddp
