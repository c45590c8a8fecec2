#include "report/page/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "report/page/curve_marks.h"
#include "report/page/html.h"
#include "report/page/svg_chart.h"

namespace fer_ddp {

namespace {

constexpr double kManyfold = 30;  // a loss that spans more than this is drawn on a logarithmic scale

using Metric = double EpochRecord::*;

std::vector<ChartPoint> points_of(const ReportRun& run, Metric metric) {
  std::vector<ChartPoint> points;
  for (const EpochRecord& record : run.history) points.push_back({record.epoch, record.*metric});
  return points;
}

// Of an epoch that was not validated there is no value, not even one that is no number.
std::vector<ChartPoint> validated_points_of(const ReportRun& run, Metric metric) {
  std::vector<ChartPoint> points;
  for (const EpochRecord& record : run.history)
    if (record.validated()) points.push_back({record.epoch, record.*metric});
  return points;
}

// Training and validation of one run in two colours; of several, each run in its own and training thin.
std::vector<ChartLine> lines_of(std::span<const ReportRun> runs, Metric training, Metric validation) {
  if (runs.size() == 1) {
    return {{"training", "training", points_of(runs[0], training)},
            {"validation", "validation", validated_points_of(runs[0], validation)}};
  }
  std::vector<ChartLine> lines;
  for (size_t i = 0; i < runs.size(); ++i) {
    lines.push_back({runs[i].name + ", training", run_style(i) + " thin", points_of(runs[i], training)});
    lines.push_back({runs[i].name + ", validation", run_style(i), validated_points_of(runs[i], validation)});
  }
  return lines;
}

std::vector<ChartLine> lines_of(std::span<const ReportRun> runs, Metric metric) {
  if (runs.size() == 1) return {{"", "validation", points_of(runs[0], metric)}};
  std::vector<ChartLine> lines;
  for (size_t i = 0; i < runs.size(); ++i) lines.push_back({runs[i].name, run_style(i), points_of(runs[i], metric)});
  return lines;
}

Html figure(const char* title, const std::string& note, const Chart& chart) {
  const char* gaps = has_values(chart) && has_gaps(chart) ? "; × not a number" : "";
  return fill("curve-figure", {{"title", title}, {"note", note + gaps}, {"chart", chart_svg(chart)}});
}

// The largest value over the smallest, of the values above 0.
double manyfold(const std::vector<ChartLine>& lines) {
  double lowest = std::numeric_limits<double>::infinity();
  double highest = 0;
  for (const ChartLine& line : lines) {
    for (const ChartPoint& point : line.points) {
      if (!std::isfinite(point.value) || point.value <= 0) continue;
      lowest = std::min(lowest, point.value);
      highest = std::max(highest, point.value);
    }
  }
  return highest / lowest;
}

std::string plain_number(double value) { return fmt::format("{:.6g}", value); }
std::string rate(double value) { return grouped_rounded(value); }

// Which marks the figure of a metric bears: all of them where there is one run, the metric's own where there are
// several.
std::vector<MarkShape> shapes_for(std::span<const ReportRun> runs, MarkShape own) {
  if (runs.size() == 1) return {MarkShape::kKeptWeights, MarkShape::kLowestLoss, MarkShape::kHighestAccuracy};
  return {MarkShape::kKeptWeights, own};
}

Html loss_figure(std::span<const ReportRun> runs) {
  Chart chart{.description = "Training and validation loss by epoch",
              .lines = lines_of(runs, &EpochRecord::loss, &EpochRecord::val_loss),
              .marks = curve_marks(runs, &EpochRecord::val_loss, shapes_for(runs, MarkShape::kLowestLoss)),
              .tick_text = plain_number,
              .value_text = loss_text};
  const bool wide = manyfold(chart.lines) > kManyfold;
  if (wide) chart.scale = ChartScale::kLogarithmic;
  return figure("Loss", wide ? "logarithmic scale" : "lower is better", chart);
}

Html accuracy_figure(std::span<const ReportRun> runs) {
  return figure("Accuracy", "higher is better",
                {.description = "Training and validation accuracy by epoch",
                 .lines = lines_of(runs, &EpochRecord::accuracy, &EpochRecord::val_accuracy),
                 .marks = curve_marks(runs, &EpochRecord::val_accuracy, shapes_for(runs, MarkShape::kHighestAccuracy)),
                 .tick_text = [](double share) { return plain_number(100 * share) + "\u00a0%"; },
                 .value_text = [](double share) { return percent_text(share, 2); }});
}

Html learning_rate_figure(std::span<const ReportRun> runs) {
  Chart chart{.description = "Learning rate by epoch",
              .lines = lines_of(runs, &EpochRecord::learning_rate),
              .stepped = true,
              .tick_text = plain_number,
              .value_text = plain_number};
  const bool wide = manyfold(chart.lines) > 5;
  chart.scale = wide ? ChartScale::kLogarithmic : ChartScale::kFromZero;
  return figure("Learning rate", wide ? "as used in the epoch, logarithmic scale" : "as used in the epoch", chart);
}

Html speed_figure(std::span<const ReportRun> runs) {
  return figure("Training speed", "images a second, all ranks together",
                {.description = "Training images a second by epoch",
                 .lines = lines_of(runs, &EpochRecord::images_per_second),
                 .scale = ChartScale::kFromZero,
                 .tick_text = rate,
                 .value_text = [](double value) { return rate(value) + " images/s"; }});
}

}  // namespace

Html curves_section(std::span<const ReportRun> runs) {
  const bool any = std::any_of(runs.begin(), runs.end(), [](const ReportRun& run) { return !run.history.empty(); });
  if (!any) return fill("curves-absent");
  return fill("curves", {{"legend", curves_legend(runs)},
                         {"figures", loss_figure(runs) + accuracy_figure(runs) + learning_rate_figure(runs) +
                                         speed_figure(runs)}});
}

}  // namespace fer_ddp
