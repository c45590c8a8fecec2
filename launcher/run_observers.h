// What rank 0 keeps of a run while it trains: history.csv, TensorBoard events, log.jsonl, the lines in the terminal,
// the status board. Each is a TrainingObserver of its own; none is made on other ranks.
#pragma once

#include <memory>
#include <vector>

#include "core/atomic_file.h"
#include "core/background_writer.h"
#include "core/config.h"
#include "core/run_log.h"
#include "status/board.h"
#include "train/training_observer.h"

namespace fer_ddp {

// In the order in which they are to be told. `state` is where training begins: an earlier part's history is written out
// first. `check` is asked before anything is published, and at each epoch before anything is appended. history.csv is
// written by `writer`, which outlives this: behind the checkpoint of the same epoch, if one is taken, so that it is
// never ahead of it.
[[nodiscard]] std::vector<std::unique_ptr<TrainingObserver>> make_run_observers(const Config& config, RunLog& log,
                                                                                StatusBoard& board,
                                                                                const TrainingState& state,
                                                                                const PublishCheck& check,
                                                                                BackgroundWriter& writer);

}  // namespace fer_ddp
