// The commands that compute with LibTorch, in a library of their own: every other one starts without it.
#pragma once

#include "export/torchscript_file.h"
#include "launcher/command.h"
#include "launcher/evaluation_run.h"
#include "launcher/lr_find_run.h"
#include "launcher/prediction_run.h"
#include "launcher/sweep_run.h"
#include "launcher/training_run.h"

namespace fer_ddp {

// What libfer_ddp_training.so offers, under the name fer_ddp_training_commands.
struct TrainingCommands {
  decltype(&train_run) train;
  decltype(&run_sweep) sweep;
  decltype(&evaluate_run) evaluate;
  decltype(&find_learning_rate) lr_find;
  decltype(&predict_pictures) predict;
  decltype(&write_torchscript) export_torchscript;
};

// Collective. Loads the library. Throws AgreedError (the machine's fault) where it or LibTorch cannot be loaded on a
// rank.
[[nodiscard]] const TrainingCommands& load_training_commands(Communicator& communicator);

}  // namespace fer_ddp
