// Several runs side by side: their results in one table, and the configuration keys in which they differ. Pure.
#pragma once

#include <span>
#include <string>

#include "report/report_run.h"

namespace fer_ddp {

[[nodiscard]] std::string results_section(std::span<const ReportRun> runs);
[[nodiscard]] std::string differences_section(std::span<const ReportRun> runs);

// Recall by class for each run that was tested; empty if none was.
[[nodiscard]] std::string recall_section(std::span<const ReportRun> runs);

}  // namespace fer_ddp
