// Who wants to know how training goes: history, TensorBoard, the progress line, the status service. The trainer tells
// its observers and knows nothing else of them. They are called on the main thread of the rank that has them (the
// launcher gives them to rank 0) and must be quick: the step waits for them.
#pragma once

#include <cstdint>

#include "core/epoch_record.h"
#include "train/epoch_decision.h"
#include "train/training_state.h"

namespace fer_ddp {

enum class TrainingPhase { kTraining, kEvaluating, kCheckpointing, kTesting };

struct StepReport {
  int epoch = 0;
  int64_t steps_done = 0;  // of this epoch
  int64_t steps_per_epoch = 0;
  double learning_rate = 0;
  int64_t images = 0;   // of this epoch whose sums have come in
  double loss = 0;      // mean over these; NaN as long as there are none
  double accuracy = 0;  // likewise
  double images_per_second = 0;
  double seconds_left = 0;  // of the run, if no early stop ends it
};

class TrainingObserver {
 public:
  TrainingObserver() = default;
  TrainingObserver(const TrainingObserver&) = delete;
  TrainingObserver& operator=(const TrainingObserver&) = delete;
  virtual ~TrainingObserver() = default;

  virtual void on_phase(TrainingPhase) {}
  virtual void on_step(const StepReport&) {}
  // `state.history` ends with the epoch that `decision` is about.
  virtual void on_epoch(const TrainingState&, const EpochDecision&) {}
};

}  // namespace fer_ddp
