#include "status/live_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "core/text.h"
#include "status/braille_chart.h"
#include "status/status_text.h"

namespace fer_ddp {

namespace {

constexpr int kFewestColumns = 76;  // below, titles with two metrics would be cut
constexpr int kFewestRows = 18;
constexpr int kLinesBesideCurvesAndRanks = 10;
constexpr int kFewestCurveRows = 5;
constexpr int kMostCurveRows = 20;
constexpr int kGap = 2;

constexpr const char* kTrainingColour = "\033[36m";    // cyan
constexpr const char* kValidationColour = "\033[33m";  // yellow: told apart on dark and on light
constexpr const char* kBold = "\033[1m";

std::string both_ends(const std::string& left, const std::string& right, int columns) {
  return fitted_to_columns(left, std::max(0, columns - terminal_columns(right) - 1)) + " " + right;
}

std::string painted(const char* colour, const std::string& text, bool colours) {
  return colours ? colour + text + kPlainText : text;
}

// What is shown of one metric: its curves and the words around them.
struct Metric {
  const char* name;
  const char* best_words;
  double EpochRecord::*training;
  double EpochRecord::*validation;
  std::optional<double> now;  // of the epoch that runs
  std::optional<EpochRecord> best;
};

// At most 9 characters, so that no digit is cut off.
std::string value_text(double value) {
  constexpr double kLargestInFull = 1000;
  if (std::isnan(value)) return "-";
  return std::abs(value) < kLargestInFull ? fixed_text(value) : fmt::format("{:.3g}", value);
}

TerminalCurve curve_of(std::span<const EpochRecord> history, double EpochRecord::*metric, const char* colour,
                       bool dotted) {
  TerminalCurve curve{.values = {}, .colour = colour, .dotted = dotted};
  for (const EpochRecord& record : history) curve.values.push_back(record.*metric);
  return curve;
}

std::vector<std::string> metric_block(const Metric& metric, std::span<const EpochRecord> history, int columns, int rows,
                                      bool colours) {
  const std::string training =
      fmt::format("train {}", history.empty() ? "-" : value_text(history.back().*metric.training));
  const std::string validation =
      fmt::format("val {}", history.empty() ? "-" : value_text(history.back().*metric.validation));
  const std::string title = fmt::format("{:<9}", metric.name);
  const int left = std::max(0, columns - terminal_columns(title) - terminal_columns(training) - 2);
  std::vector<std::string> lines = {title + painted(kTrainingColour, training, colours) + "  " +
                                    painted(kValidationColour, fitted_to_columns(validation, left), colours)};
  const std::vector<TerminalCurve> curves = {
      curve_of(history, metric.training, colours ? kTrainingColour : "", true),
      curve_of(history, metric.validation, colours ? kValidationColour : "", false)};
  for (std::string& line : braille_chart(curves, columns, rows)) lines.push_back(std::move(line));
  lines.push_back(
      fitted_to_columns(metric.best ? fmt::format("{} {}, epoch {}", metric.best_words,
                                                  value_text((*metric.best).*metric.validation), metric.best->epoch + 1)
                                    : "no epoch yet",
                        columns));
  return lines;
}

// A line a rank; where there is no room for all of them, the last line says how many are left out.
std::vector<std::string> rank_lines(const StatusSnapshot& status, int rows, int columns) {
  std::vector<std::string> lines;
  const auto count = static_cast<int>(status.ranks.size());
  const int shown = count <= rows ? count : rows - 1;
  size_t widest = 0;
  for (const RankPlace& place : status.ranks) widest = std::max(widest, place.host.size());
  for (const RankPlace& place : std::span(status.ranks).first(static_cast<size_t>(shown)))
    lines.push_back(
        fitted_to_columns(fmt::format("rank {:<4} {:<{}}  {}", place.rank, place.host, widest, place.device), columns));
  if (shown < count) lines.push_back(fitted_to_columns(fmt::format("and {} ranks more", count - shown), columns));
  return lines;
}

std::string now_line(const StatusSnapshot& status) {
  std::string text =
      fmt::format("learning rate {:g}   {} images/s", status.learning_rate, grouped_rounded(status.images_per_second));
  if (status.loss) text += fmt::format("   this epoch: loss {}", fixed_text(*status.loss));
  if (status.accuracy) text += fmt::format(", accuracy {}", fixed_text(*status.accuracy));
  return text;
}

}  // namespace

std::string live_view(const StatusSnapshot& status, std::span<const EpochRecord> history, const std::string& footer,
                      ViewSize size) {
  if (size.columns < kFewestColumns || size.rows < kFewestRows) {
    std::string text = status_screen(status, size.columns, std::max(1, size.rows - 1));
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text + "\n" + fitted_to_columns(footer, size.columns);
  }
  const auto ranks = static_cast<int>(status.ranks.size());
  const int free_rows = size.rows - kLinesBesideCurvesAndRanks;
  const int rank_rows = std::clamp(ranks, 1, std::max(2, free_rows - kFewestCurveRows - 2));
  const int curve_rows = std::clamp(free_rows - rank_rows, kFewestCurveRows, kMostCurveRows);
  const int half = (size.columns - kGap) / 2;

  std::vector<std::string> lines = {
      painted(kBold, both_ends(status_title(status), time_text(status), size.columns), size.colours),
      both_ends(progress_bar(status, size.columns - 36), position_text(status), size.columns), ""};
  const std::vector<std::string> losses = metric_block(
      {"loss", "best val_loss", &EpochRecord::loss, &EpochRecord::val_loss, status.loss, status.best_epoch_by_loss},
      history, half, curve_rows, size.colours);
  const std::vector<std::string> accuracies =
      metric_block({"accuracy", "best val_accuracy", &EpochRecord::accuracy, &EpochRecord::val_accuracy,
                    status.accuracy, status.best_epoch_by_accuracy},
                   history, half, curve_rows, size.colours);
  for (size_t i = 0; i < losses.size(); ++i) lines.push_back(losses[i] + std::string(kGap, ' ') + accuracies[i]);
  lines.emplace_back();
  lines.push_back(fitted_to_columns(now_line(status), size.columns));
  lines.emplace_back();
  for (std::string& line : rank_lines(status, rank_rows, size.columns)) lines.push_back(std::move(line));
  while (static_cast<int>(lines.size()) < size.rows - 1) lines.emplace_back();
  lines.push_back(painted(kBold, fitted_to_columns(footer, size.columns), size.colours));
  return fmt::format("{}", fmt::join(lines, "\n"));
}

}  // namespace fer_ddp
