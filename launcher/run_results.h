// How a run ends: its result from where the trainer stands, what it then writes into its folder, and what is said of a
// run that diverged.
#pragma once

#include <string>
#include <vector>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/config.h"
#include "core/run_log.h"
#include "core/run_result.h"
#include "data/dataset.h"
#include "model/model.h"
#include "train/trainer.h"

namespace fer_ddp {

[[nodiscard]] RunResult result_of(const Trainer& trainer, const TrainingOutcome& outcome, const Model& model,
                                  const std::vector<RankPlace>& places, const std::string& started);

// Rank 0 alone. Writes model.safetensors and the weights of other epochs (where there are any to keep), what is said of
// each test image, result.json and report.html, and says how the run ended. `check` is asked before each takes its
// place.
void write_results(const Config& config, const Model& model, const Dataset& dataset, const TrainingOutcome& outcome,
                   const RunResult& result, const PublishCheck& check, RunLog& log);

[[nodiscard]] bool has_diverged(const RunResult& result);

// What a run that has diverged says last, and any try to go on with it. `where`: the run's folder.
[[nodiscard]] AgreedError diverged(const std::string& where, const RunResult& result);

}  // namespace fer_ddp
