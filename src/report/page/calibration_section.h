// How sure a run is of what it says and how often it is right then: a reliability diagram, and how many images there
// are of each sureness; of several runs a diagram each. The templates are in templates/calibration.html. Pure.
#pragma once

#include <span>

#include "report/page/template.h"
#include "report/report_run.h"

namespace fer_ddp {

// Empty where no run has predictions.
[[nodiscard]] Html calibration_section(std::span<const ReportRun> runs);

}  // namespace fer_ddp
