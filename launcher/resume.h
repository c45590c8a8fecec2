// Going on with a run: is there anything left to train, and from which checkpoint? A run that ended goes on where its
// configuration now asks for more epochs, or for more patience than it was stopped by; its results stay as they are
// until those of the new end are written.
#pragma once

#include "core/config.h"
#include "launcher/command.h"
#include "train/checkpoint_folder.h"
#include "train/trainer.h"

namespace fer_ddp {

// The checkpoints of the run whose folder is config.output; `check` is asked before one takes its place.
[[nodiscard]] CheckpointFolder checkpoints_of(const Config& config, const PublishCheck& check);

// Rank 0 alone. Says so where the run has ended and the configuration asks for nothing more. Throws Error (the user's
// fault) where it asks for more, but no checkpoint is left to go on from; the machine's where the run diverged.
[[nodiscard]] bool is_run_over(const Config& config, RunLog& log);

// Collective. Loads the newest good checkpoint into the trainer; says so, or that training starts from the beginning.
void resume_training(Trainer& trainer, const Config& config, const PublishCheck& check, Session& session);

}  // namespace fer_ddp
