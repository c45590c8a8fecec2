// The figures of how training went: loss, accuracy, learning rate and speed by epoch, of one run or of several laid
// over each other, with the best epochs by loss and by accuracy and the epoch whose weights were kept. Pure.
#pragma once

#include <span>

#include "report/page/template.h"
#include "report/report_run.h"

namespace fer_ddp {

[[nodiscard]] Html curves_section(std::span<const ReportRun> runs);

}  // namespace fer_ddp
