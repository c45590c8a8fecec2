// Why a run ends with the weights that it ends with, what those of other epochs would have scored, and whether that is
// more than the noise of so many test images: the answer to "why did restore_best_weights pick a worse model". The
// templates are in templates/explanation.html. Pure.
#pragma once

#include <string>
#include <vector>

#include "report/page/template.h"
#include "report/report_run.h"

namespace fer_ddp {

// In sentences: the verdict, the best epochs, why these weights were kept, and how the others compare. Empty where the
// result names no candidates.
[[nodiscard]] std::vector<std::string> explanation_in_words(const ReportRun& run);

// Empty where there is nothing to explain.
[[nodiscard]] Html explanation_section(const ReportRun& run);

}  // namespace fer_ddp
