// A line chart by epoch as inline SVG: grid, lines broken where a value is not a number, marks, and a readout for each
// epoch that shows itself under the pointer by CSS alone. Colours come from the page's style sheet: a line's `style` is
// a CSS class that sets --line. Its parts stand in templates/chart.html. Pure: the same chart gives the same text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "report/page/chart_axis.h"
#include "report/page/template.h"

namespace fer_ddp {

struct ChartPoint {
  int epoch = 0;  // from 0; the axis counts from 1
  double value = 0;
};

struct ChartLine {
  std::string name;   // in the readout
  std::string style;  // CSS classes
  std::vector<ChartPoint> points;
};

enum class MarkShape { kLowestLoss, kHighestAccuracy, kKeptWeights };

struct ChartMark {
  MarkShape shape;
  ChartPoint at;
  std::string style;  // CSS classes
  std::string text;   // for those who cannot see it
};

struct Chart {
  std::string description;  // for those who cannot see it
  std::vector<ChartLine> lines;
  std::vector<ChartMark> marks{};
  ChartScale scale = ChartScale::kTight;
  bool stepped = false;                           // a value holds from its epoch to the next one
  std::function<std::string(double)> tick_text;   // at the axis
  std::function<std::string(double)> value_text;  // in the readout
};

// Whether there is anything to draw.
[[nodiscard]] bool has_values(const Chart& chart);

// Whether there is a value that cannot be drawn, so that a cross stands for it.
[[nodiscard]] bool has_gaps(const Chart& chart);

[[nodiscard]] Html chart_svg(const Chart& chart);

// The mark's shape around (x, y), as an SVG path.
[[nodiscard]] std::string mark_path(MarkShape shape, double x, double y);

}  // namespace fer_ddp
