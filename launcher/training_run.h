// One run of training from its configuration to its report: checks, data, model, training, results. Every rank runs
// it; what touches the run's folder or the terminal happens on rank 0.
#pragma once

#include "core/config.h"
#include "launcher/command.h"
#include "launcher/run_claim.h"

namespace fer_ddp {

inline constexpr int kExitStoppedAfterCheckpoint = 75;  // EX_TEMPFAIL: run again to go on

// How the command line asks for a run, beside its configuration.
struct RunRequest {
  ExistingRun existing = ExistingRun::kRefuse;
  bool profile = false;     // print where the steps' time went
  bool of_a_sweep = false;  // which says itself how to go on
};

// Collective. Returns the exit code: 0 done, 75 stopped after a checkpoint. Throws AgreedError, also for a run that
// diverged, or Error for what met one rank alone.
int train_run(const Config& config, const RunRequest& request, Session& session);

}  // namespace fer_ddp
