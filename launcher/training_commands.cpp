#include "launcher/training_commands.h"

#include "comm/agreement.h"
#include "launcher/own_library.h"

namespace fer_ddp {

const TrainingCommands& load_training_commands(Communicator& communicator) {
  const TrainingCommands* commands = nullptr;
  run_together(communicator, [&commands] {
    commands = static_cast<const TrainingCommands*>(load_own_library(
        kTrainingLibrary, "fer_ddp_training_commands",
        "It needs LibTorch where the build found it, or beside it: cluster/setup/install_dependencies fetches that."));
  });
  return *commands;
}

}  // namespace fer_ddp
