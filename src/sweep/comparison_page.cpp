#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/text.h"
#include "report/page/html.h"
#include "sweep/comparison.h"

namespace fer_ddp {

namespace {

// From the lowest to the highest that any setting's interval reaches.
struct Span {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

const std::optional<Estimate>& compared(const SettingResult& result, Monitor by) {
  return by == Monitor::kValidationLoss ? result.lowest_loss : result.highest_accuracy;
}

Span span_of(const SweepComparison& comparison, Monitor by) {
  Span span;
  for (const SettingResult& result : comparison.settings) {
    const std::optional<Estimate>& value = compared(result, by);
    if (!value) continue;
    // A wide interval of few seeds must not make all means one.
    span.low = std::min(span.low, value->mean - value->deviation.value_or(0.0));
    span.high = std::max(span.high, value->mean + value->deviation.value_or(0.0));
  }
  return span;
}

// Mean and interval on a line of their own, all on one scale; what reaches beyond it is cut off.
std::string interval_picture(const std::optional<Estimate>& value, Span span) {
  constexpr double kWidth = 180;
  constexpr double kMargin = 6;
  if (!value || !(span.high > span.low)) return "";
  const auto place = [&](double at) {
    const double share = std::clamp((at - span.low) / (span.high - span.low), 0.0, 1.0);
    return kMargin + share * (kWidth - 2 * kMargin);
  };
  const double half = value->half_width.value_or(0.0);
  return fmt::format(
      R"(<svg class="plain" width="{}" height="16" viewBox="0 0 {} 16" role="img" aria-label="mean and interval">)"
      R"(<line class="grid" x1="{}" x2="{}" y1="8" y2="8"/><line class="line" x1="{:.1f}" x2="{:.1f}" y1="8" y2="8"/>)"
      R"(<circle class="dot" cx="{:.1f}" cy="8" r="5"/></svg>)",
      kWidth, kWidth, kMargin, kWidth - kMargin, place(value->mean - half), place(value->mean + half),
      place(value->mean));
}

std::string estimate_cell(const std::optional<Estimate>& value, std::string (*text)(double)) {
  if (!value) return "<td>–</td>";
  const std::string more = value->half_width
                               ? fmt::format("<small>{} to {}</small>", text(value->mean - *value->half_width),
                                             text(value->mean + *value->half_width))
                               : "";
  return fmt::format("<td>{}{}</td>", text(value->mean), more);
}

std::string percent(double share) { return percent_text(share); }

std::string setting_row(const SettingResult& result, const Sweep& sweep, Span span) {
  std::string notes = fmt::format("{} seed{}", result.seeds, result.seeds == 1 ? "" : "s");
  if (result.diverged > 0) notes += fmt::format(", {} diverged", result.diverged);
  if (result.failed > 0) notes += fmt::format(", {} failed", result.failed);
  if (sweep.halving) notes += fmt::format(", {} epochs", sweep.halving->epochs[result.rung]);
  return fmt::format(R"(<tr><th scope="row">{}<small>{}</small></th>{}{}{}<td>{}</td></tr>)",
                     escape_html(setting_words(sweep.settings[result.setting])), notes,
                     estimate_cell(result.lowest_loss, loss_text), estimate_cell(result.highest_accuracy, percent),
                     estimate_cell(result.test_accuracy, percent), interval_picture(compared(result, sweep.by), span));
}

std::string settings_section(const SweepComparison& comparison, const Sweep& sweep) {
  const Span span = span_of(comparison, sweep.by);
  std::string rows;
  for (const SettingResult& result : comparison.settings) rows += setting_row(result, sweep, span);
  return fmt::format(
      R"(<section class="outcome"><div class="scrolls"><table class="results"><thead><tr><th scope="col">setting</th>)"
      R"(<th scope="col">lowest validation loss</th><th scope="col">highest validation accuracy</th>)"
      R"(<th scope="col">test accuracy</th><th scope="col">{}</th></tr></thead><tbody>{}</tbody></table></div>)"
      R"(<p class="note">Best first. Each number is the mean over the setting's seeds, and below it the 95 % interval )"
      R"(of that mean, by Student's t; the pictures show it on one scale.</p></section>)",
      sweep.by == Monitor::kValidationLoss ? "validation loss" : "validation accuracy", rows);
}

template <typename Value>
std::string cell(const std::optional<Value>& value, std::string (*text)(double)) {
  return fmt::format("<td>{}</td>", value ? text(*value) : "–");
}

std::string runs_section(const Sweep& sweep, const std::vector<RunOutcome>& outcomes) {
  std::string rows;
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    const SweepRun& run = sweep.runs[i];
    const RunOutcome& outcome = outcomes[i];
    const std::string name = outcome.result
                                 ? fmt::format(R"(<a href="runs/{0}/report.html">{0}</a>)", escape_html(run.name))
                                 : escape_html(run.name);
    std::optional<double> test;
    if (outcome.result && outcome.result->test) test = outcome.result->test->accuracy();
    rows += fmt::format(R"(<tr><th scope="row">{}<small>{}</small></th><td>{}</td><td>{}</td><td>{}</td>{}{}{}</tr>)",
                        name, escape_html(setting_words(sweep.settings[run.setting])), run.config.random_seed,
                        escape_html(outcome.failure ? "failed: " + *outcome.failure : outcome_word(outcome)),
                        outcome.result ? outcome.result->epochs_run : 0, cell(outcome.lowest_loss, loss_text),
                        cell(outcome.highest_accuracy, percent), cell(test, percent));
  }
  return fmt::format(
      R"(<section><h2>The runs</h2><div class="scrolls"><table class="results"><thead><tr><th scope="col">run</th>)"
      R"(<th scope="col">seed</th><th scope="col">outcome</th><th scope="col">epochs</th>)"
      R"(<th scope="col">lowest validation loss</th><th scope="col">highest validation accuracy</th>)"
      R"(<th scope="col">test accuracy</th></tr></thead><tbody>{}</tbody></table></div></section>)",
      rows);
}

}  // namespace

std::string comparison_page(const SweepComparison& comparison, const Sweep& sweep,
                            const std::vector<RunOutcome>& outcomes) {
  const std::string words = fmt::format("{} settings, {} runs", sweep.settings.size(), sweep.runs.size());
  const std::string body =
      fmt::format(
          R"(<header><p class="kind">facial emotion recognition</p><h1>{}</h1><p class="words">{}</p></header>)",
          escape_html(sweep.name), words) +
      settings_section(comparison, sweep) + runs_section(sweep, outcomes);
  return html_page(sweep.name, body,
                   "Made by fer-ddp from the results of the sweep's runs, which lie beside this page.");
}

}  // namespace fer_ddp
