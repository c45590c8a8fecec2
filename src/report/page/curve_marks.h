// The epochs that the curves single out: lowest validation loss, highest validation accuracy, and the one whose weights
// the run ends with; and the legend that explains lines and marks. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/page/svg_chart.h"
#include "report/report_run.h"

namespace fer_ddp {

// The CSS class that gives run `index` of several its colour.
[[nodiscard]] std::string run_style(size_t index);

// Marks of `shapes` on the curve of `metric`.
[[nodiscard]] std::vector<ChartMark> curve_marks(std::span<const ReportRun> runs, double EpochRecord::*metric,
                                                 std::span<const MarkShape> shapes);

[[nodiscard]] Html curves_legend(std::span<const ReportRun> runs);

}  // namespace fer_ddp
