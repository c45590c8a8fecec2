// The one symbol of libfer_ddp_training.so that the executable looks for.
#include "launcher/training_commands.h"

extern "C" {
extern const fer_ddp::TrainingCommands fer_ddp_training_commands;
const fer_ddp::TrainingCommands fer_ddp_training_commands = {&fer_ddp::train_run,        &fer_ddp::run_sweep,
                                                             &fer_ddp::evaluate_run,     &fer_ddp::find_learning_rate,
                                                             &fer_ddp::predict_pictures, &fer_ddp::write_torchscript};
}
