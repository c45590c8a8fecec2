// Where a run stands: everything that a resumed run needs beside the model's weights and the optimizer's slots, and
// nothing that depends on the world size. A plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/epoch_record.h"
#include "train/epoch_decision.h"

namespace fer_ddp {

// What the current epoch has summed up so far, over all ranks.
struct EpochProgress {
  double loss = 0;  // sum over images
  int64_t correct = 0;
  int64_t images = 0;
  double training_seconds = 0;  // rank 0's clock
  double seconds = 0;           // evaluation and earlier parts of an interrupted epoch included
};

struct TrainingState {
  int epoch = 0;             // the one that is running, or comes next
  int64_t step = 0;          // steps of it that are done; all of them: its evaluation is still to come
  double learning_rate = 0;  // what the plateau leaves; the schedule is not in it
  EpochProgress progress;
  std::vector<EpochRecord> history;
  std::optional<int> best_epoch;               // whose weights early stopping keeps
  StopReason stop_reason = StopReason::kNone;  // set once training is over
  double earlier_seconds = 0;                  // of the run, before the current process
};

}  // namespace fer_ddp
