// Checkpoints of a run that goes on meanwhile: taking one copies the run's state, which is all that the run waits for,
// and a thread writes the copy, fsyncs it and removes older ones. A checkpoint exists once that thread has marked it
// complete; until then the one before is the newest, also for a run that is killed. One is written at a time: the next
// one waits for it, and for whatever was added to the same BackgroundWriter before.
//
// The copy is as large as the weights and the optimizer's slots (10 MB for the study's network by Adam) and is made in
// the same memory each time; kept weights never change and are shared. Rank 0's business alone; no communication here.
#pragma once

#include <memory>
#include <utility>

#include "core/background_writer.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"

namespace fer_ddp {

// Sums over the checkpoints that are written.
struct CheckpointTimes {
  int count = 0;
  double waiting_seconds = 0;  // of the run, for the one before
  double copying_seconds = 0;  // of the run
  double writing_seconds = 0;  // of the thread
};

// Used by one thread. The BackgroundWriter outlives it, and what it has added does not need it.
class CheckpointWriter {
 public:
  CheckpointWriter(CheckpointFolder folder, BackgroundWriter& writer) : folder_(std::move(folder)), writer_(writer) {}

  // Waits for the checkpoint before, copies the parts as they are now, and has the copy written. Throws what
  // writing the one before has thrown.
  void take(const Checkpointed& parts);

  // Returns when all is on the disk. Throws what writing has thrown.
  void finish() { writer_.finish(); }

  // Has writing failed? Costs nothing.
  [[nodiscard]] bool failed() const noexcept { return writer_.failed(); }

  // After finish().
  [[nodiscard]] CheckpointTimes times() const;

 private:
  // What the thread leaves behind. It is read when the thread has nothing to do.
  struct Written {
    int count = 0;
    double seconds = 0;
  };

  CheckpointFolder folder_;
  BackgroundWriter& writer_;
  std::shared_ptr<CheckpointMemory> memory_ = std::make_shared<CheckpointMemory>();
  std::shared_ptr<Written> written_ = std::make_shared<Written>();
  double waiting_seconds_ = 0;
  double copying_seconds_ = 0;
};

}  // namespace fer_ddp
