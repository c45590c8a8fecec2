// Several runs side by side: their results in one table, whether these differ by more than noise, recall by class, and
// the configuration keys in which they differ. The templates are in templates/comparison.html and classes.html. Pure.
#pragma once

#include <span>

#include "report/page/template.h"
#include "report/report_run.h"

namespace fer_ddp {

[[nodiscard]] Html results_section(std::span<const ReportRun> runs);
[[nodiscard]] Html differences_section(std::span<const ReportRun> runs);

// McNemar's test of pairs of runs that were tested on the same images; each pair of a few runs, and of many the best
// one with each of the others.
[[nodiscard]] Html paired_section(std::span<const ReportRun> runs);

// Recall by class for each run that was tested; empty if none was.
[[nodiscard]] Html recall_section(std::span<const ReportRun> runs);

}  // namespace fer_ddp
