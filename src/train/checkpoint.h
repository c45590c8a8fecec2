// A run's state as a checkpoint's files, and back: state.json (position, history, callbacks, optimizer's step count),
// weights.safetensors, optimizer.safetensors (the slots, in the parameters' own layouts), best.safetensors (the weights
// early stopping keeps, if there are any). Nothing in them depends on the world size.
#pragma once

#include <optional>

#include "comm/communicator.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "optim/optimizer.h"
#include "train/checkpoint_folder.h"
#include "train/decision_maker.h"
#include "train/training_state.h"

namespace fer_ddp {

// What a checkpoint is of. References to the trainer's own parts.
struct Checkpointed {
  TrainingState& state;
  Model& model;
  Optimizer& optimizer;
  DecisionMaker& decisions;
  std::optional<StoredTensors>& best_weights;
};

// Reads the parts when it is written: they outlive it.
[[nodiscard]] CheckpointContent encode_checkpoint(const Checkpointed& parts);

// Throws Error naming the file that does not fit.
void decode_checkpoint(const CheckpointFiles& files, const Checkpointed& parts);

// Collective. Every rank gets rank 0's files: only rank 0 needs to see the disk.
[[nodiscard]] CheckpointFiles broadcast_files(Communicator& communicator, const CheckpointFiles& files);

}  // namespace fer_ddp
