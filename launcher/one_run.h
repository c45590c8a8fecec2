// One run among those that a process trains, be they one or many: what each needs of its own, and what the process has
// once for all of them.
#pragma once

#include <functional>
#include <span>

#include "core/config.h"
#include "data/dataset.h"
#include "launcher/command.h"
#include "launcher/device_selection.h"
#include "launcher/run_claim.h"
#include "launcher/training_run.h"
#include "network/network.h"

namespace fer_ddp {

// A process's share of its machine.
struct ProcessShare {
  ProcessGpu gpu{};
  int threads = 1;  // where a configuration asks for none
};

// Collective over all ranks of the job, before anything uses LibTorch. `runs`: all that the process is to run. Throws
// AgreedError.
[[nodiscard]] ProcessShare take_process_share(std::span<const Config> runs, Communicator& communicator);

// Collective over the run's ranks. The network to train; a run that is resumed goes on with the table that it wrote.
// Throws AgreedError, also where no step can train it.
[[nodiscard]] Network provide_network(const Config& config, ExistingRun existing, Communicator& communicator);

struct RunSurroundings {
  const ProcessShare& share;
  std::function<bool()> stop_requested;      // asked at every step boundary; it must not communicate
  RunClaim* claim = nullptr;                 // rank 0's; the others have none
  std::function<Dataset(int threads)> data;  // collective over the run's ranks
};

// Collective over the run's ranks, those of `session`. Trains a run whose folder is claimed, to its report. Returns and
// throws what train_run() does.
int train_claimed_run(const Config& config, const RunRequest& request, const Network& network,
                      const RunSurroundings& surroundings, Session& session);

}  // namespace fer_ddp
