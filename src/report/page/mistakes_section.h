// The faces that a run gets wrong and is most sure of; of several runs those that all of them get wrong. The templates
// are in templates/mistakes.html. Pure.
#pragma once

#include <span>

#include "report/page/template.h"
#include "report/report_run.h"

namespace fer_ddp {

// Empty where there are no predictions, or no mistakes.
[[nodiscard]] Html mistakes_section(std::span<const ReportRun> runs);

}  // namespace fer_ddp
