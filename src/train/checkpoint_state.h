// A checkpoint's state.json: all of a run's state that is not tensors, as text and back. Pure functions. What is read
// is looked at number by number, so that a file that was damaged or written by hand ends in one message, whatever is in
// it.
//
// Format 2 added data_checksum and network; format 1 is read as well, without them. Of format 2 some have teachers or
// device_choices, and all but those of earlier versions kept_epochs; readers may pass over the last two.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "train/decision_maker.h"
#include "train/training_state.h"

namespace fer_ddp {

// Whose weights the checkpoint holds beside early stopping's.
struct KeptEpochs {
  std::optional<int> lowest_loss{};
  std::optional<int> highest_accuracy{};
};

struct CheckpointState {
  TrainingState training{};
  DecisionState decisions{};
  int64_t optimizer_steps = 0;
  std::optional<std::string> data_checksum{};   // Dataset::checksum() of what the run is trained on; none: format 1
  std::optional<std::string> network{};         // network_hash() of what is trained; none: format 1
  std::optional<std::string> teachers{};        // Teachers::hash() of what it learns from; none: nothing
  std::optional<std::string> device_choices{};  // TrainingStep::choices(); none: there were none
  std::optional<KeptEpochs> kept{};             // none: written before there was such a thing
};

[[nodiscard]] std::string checkpoint_state_text(const CheckpointState& state);

// Throws Error naming `source` and the key: the user's fault for a newer format than this fer-ddp knows, the machine's
// for anything that no fer-ddp writes, such as numbers out of range or epochs out of order.
[[nodiscard]] CheckpointState parse_checkpoint_state(std::string_view text, const std::string& source);

}  // namespace fer_ddp
