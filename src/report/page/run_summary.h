// A run's outcome in large, and what was run: the top of the report. Pure.
#pragma once

#include <string>

#include "report/page/template.h"
#include "report/report_run.h"

namespace fer_ddp {

// The headline number (test accuracy, or the best validation accuracy while there is none) against the majority
// baseline.
[[nodiscard]] Html outcome_section(const ReportRun& run);

// "seed_cnn, 15 epochs in 1 min 02 s on 2 ranks; stopped early, weights of epoch 8 restored".
[[nodiscard]] std::string run_in_words(const ReportRun& run);

// What was run: configuration, ranks with their hosts and devices, times.
[[nodiscard]] Html setting_section(const ReportRun& run);

// The history as a table, folded away.
[[nodiscard]] Html history_table(const ReportRun& run);

// "early_stopping" -> "early stopping"; a run without a result is "still going, or interrupted".
[[nodiscard]] std::string stop_reason_words(const ReportRun& run);

// Seconds of all epochs, or of the whole run once it is over.
[[nodiscard]] double run_seconds(const ReportRun& run);

// The median over the epochs: the first one is often slow.
[[nodiscard]] double usual_images_per_second(const ReportRun& run);

}  // namespace fer_ddp
