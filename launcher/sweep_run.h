// Trains a sweep's runs on all ranks of a job, divided into groups. The job as a whole agrees on the runs, loads their
// data and ends together; in between each group takes one run after the other by itself, and knows of the others what
// the sweep's folder says (launcher/sweep_folder.h). So no collective of the job stands between two runs, which is
// where tools that let each rank decide for itself wait for ever.
#pragma once

#include "launcher/command.h"
#include "sweep/sweep.h"

namespace fer_ddp {

// Collective; all ranks pass the same. Goes on with what is in the sweep's folder. Returns the exit code: 0 when all
// runs are over, be it that some diverged or had a configuration error; the error's own where none came to a result; 75
// stopped after a checkpoint. Throws as train_run() does.
int run_sweep(const Sweep& given, Session& session);

}  // namespace fer_ddp
