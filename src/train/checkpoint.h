// A run's state as a checkpoint's files, and back: state.json (position, history, callbacks, optimizer's step count),
// weights.safetensors, optimizer.safetensors (the slots, in the parameters' own layouts, the averages among them),
// best.safetensors (the weights early stopping keeps, if there are any), lowest_loss.safetensors and
// highest_accuracy.safetensors (those of two more epochs, where they are none of the files before). Nothing in them
// depends on the world size.
#pragma once

#include <memory>
#include <optional>

#include "comm/communicator.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "train/checkpoint_folder.h"
#include "train/checkpoint_state.h"
#include "train/decision_maker.h"
#include "train/kept_weights.h"
#include "train/training_state.h"

namespace fer_ddp {

// The trainer's parts that a checkpoint holds, by reference.
struct Checkpointed {
  TrainingState& state;
  Model& model;
  Optimizer& optimizer;
  DecisionMaker& decisions;
  KeptWeights& kept;
  const std::string& data_checksum;
  std::optional<std::string> teachers{};        // Teachers::hash()
  std::optional<std::string> device_choices{};  // TrainingStep::choices(); none: there were none
};

// Where a checkpoint's weights and slots are copied to.
struct CheckpointMemory {
  StoredTensors weights{};
  StoredTensors optimizer{};
};

// The files of a checkpoint, as the parts are now: nothing of them is read later, so that another thread may write the
// files while they change. Tensors are copied into `memory`, which a later checkpoint may use again once this content
// is gone; kept weights never change and are shared.
[[nodiscard]] CheckpointContent encode_checkpoint(
    const Checkpointed& parts, const std::shared_ptr<CheckpointMemory>& memory = std::make_shared<CheckpointMemory>());

// The checkpoint's state alone. Throws Error naming the file.
[[nodiscard]] CheckpointState read_checkpoint_state(const StoredCheckpoint& checkpoint);

// Puts `state`, read from the same checkpoint, and the checkpoint's tensors into the parts. Throws Error naming the
// file and the tensor that does not fit.
void decode_checkpoint(const StoredCheckpoint& checkpoint, const CheckpointState& state, const Checkpointed& parts);

// Collective. Every rank gets rank 0's checkpoint: only rank 0 needs to see the disk.
[[nodiscard]] std::optional<StoredCheckpoint> broadcast_checkpoint(Communicator& communicator,
                                                                   const std::optional<StoredCheckpoint>& checkpoint);

}  // namespace fer_ddp
