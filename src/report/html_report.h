// report.html: one run, or several compared, as a single self-contained page: no script, no file or address from
// outside, light and dark by the reader's own setting, and fit for paper and phone. The parts of the page stand in
// report/page, their HTML in report/page/templates.
// Pure: the same runs give the same text.
#pragma once

#include <span>
#include <string>

#include "report/report_run.h"

namespace fer_ddp {

// `runs` holds at least one.
[[nodiscard]] std::string html_report(std::span<const ReportRun> runs);

}  // namespace fer_ddp
