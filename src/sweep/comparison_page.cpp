#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/text.h"
#include "report/page/html.h"
#include "report/page/template.h"
#include "sweep/comparison.h"

namespace fer_ddp {

namespace {

constexpr const char* kDash = "\u2013";

// What the pictures show: the better half of the settings, among which the choice is. One that learns nothing would
// make them all one.
struct Span {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

const std::optional<Estimate>& compared(const SettingResult& result, Monitor by) {
  return by == Monitor::kValidationLoss ? result.lowest_loss : result.highest_accuracy;
}

Span span_of(const SweepComparison& comparison, Monitor by) {
  Span span;
  const size_t shown = std::max<size_t>(2, (comparison.settings.size() + 1) / 2);
  for (size_t i = 0; i < std::min(shown, comparison.settings.size()); ++i) {
    const std::optional<Estimate>& value = compared(comparison.settings[i], by);
    if (!value) continue;
    // A wide interval of few seeds must not make all means one.
    span.low = std::min(span.low, value->mean - value->deviation.value_or(0.0));
    span.high = std::max(span.high, value->mean + value->deviation.value_or(0.0));
  }
  return span;
}

// Mean and interval on a line of their own, all on one scale; what reaches beyond it is cut off.
Html interval_picture(const std::optional<Estimate>& value, Span span) {
  constexpr double kWidth = 180;
  constexpr double kMargin = 6;
  if (!value || !(span.high > span.low)) return {};
  const auto place = [&](double at) {
    const double share = std::clamp((at - span.low) / (span.high - span.low), 0.0, 1.0);
    return pixels_text(kMargin + share * (kWidth - 2 * kMargin));
  };
  const double half = value->half_width.value_or(0.0);
  return fill("sweep-interval", {{"left", pixels_text(kMargin)},
                                 {"right", pixels_text(kWidth - kMargin)},
                                 {"low", place(value->mean - half)},
                                 {"high", place(value->mean + half)},
                                 {"mean", place(value->mean)}});
}

Html small(const std::string& text) { return text.empty() ? Html() : fill("small", {{"text", text}}); }

Html cell(const std::string& value, const std::string& detail = {}) {
  return fill("cell", {{"value", value}, {"detail", small(detail)}});
}

Html estimate_cell(const std::optional<Estimate>& value, std::string (*text)(double)) {
  if (!value) return cell(kDash);
  if (!value->half_width) return cell(text(value->mean));
  return cell(text(value->mean),
              fmt::format("{} to {}", text(value->mean - *value->half_width), text(value->mean + *value->half_width)));
}

Html value_cell(const std::optional<double>& value, std::string (*text)(double)) {
  return cell(value ? text(*value) : kDash);
}

std::string percent(double share) { return percent_text(share); }

Html setting_row(const SettingResult& result, const Sweep& sweep, Span span) {
  std::string notes = fmt::format("{} seed{}", result.seeds, result.seeds == 1 ? "" : "s");
  if (result.diverged > 0) notes += fmt::format(", {} diverged", result.diverged);
  if (result.failed > 0) notes += fmt::format(", {} failed", result.failed);
  if (sweep.halving) notes += fmt::format(", {} epochs", sweep.halving->epochs[result.rung]);
  return fill("sweep-setting", {{"setting", setting_words(sweep.settings[result.setting])},
                                {"notes", small(notes)},
                                {"cells", estimate_cell(result.lowest_loss, loss_text) +
                                              estimate_cell(result.highest_accuracy, percent) +
                                              estimate_cell(result.test_accuracy, percent)},
                                {"picture", interval_picture(compared(result, sweep.by), span)}});
}

Html settings_section(const SweepComparison& comparison, const Sweep& sweep) {
  const Span span = span_of(comparison, sweep.by);
  Html rows;
  for (const SettingResult& result : comparison.settings) rows += setting_row(result, sweep, span);
  return fill(
      "sweep-settings",
      {{"compared", sweep.by == Monitor::kValidationLoss ? "validation loss" : "validation accuracy"}, {"rows", rows}});
}

Html run_row(const SweepRun& run, const RunOutcome& outcome, const Sweep& sweep) {
  std::optional<double> test;
  if (outcome.result && outcome.result->test) test = outcome.result->test->accuracy();
  const int epochs = outcome.result ? outcome.result->epochs_run : 0;
  return fill("sweep-run",
              {{"name", outcome.result ? fill("sweep-link", {{"name", run.name}}) : html_of(run.name)},
               {"setting", small(setting_words(sweep.settings[run.setting]))},
               {"cells", cell(std::to_string(run.config.random_seed)) +
                             cell(outcome.failure ? "failed: " + *outcome.failure : outcome_word(outcome)) +
                             cell(std::to_string(epochs)) + value_cell(outcome.lowest_loss, loss_text) +
                             value_cell(outcome.highest_accuracy, percent) + value_cell(test, percent)}});
}

Html runs_section(const Sweep& sweep, const std::vector<RunOutcome>& outcomes) {
  Html rows;
  for (size_t i = 0; i < sweep.runs.size(); ++i) rows += run_row(sweep.runs[i], outcomes[i], sweep);
  return fill("sweep-runs", {{"rows", rows}});
}

}  // namespace

std::string comparison_page(const SweepComparison& comparison, const Sweep& sweep,
                            const std::vector<RunOutcome>& outcomes) {
  return html_page(sweep.name, fmt::format("{} settings, {} runs", sweep.settings.size(), sweep.runs.size()),
                   settings_section(comparison, sweep) + runs_section(sweep, outcomes),
                   "Made by fer-ddp from the results of the sweep's runs, which lie beside this page.");
}

}  // namespace fer_ddp
