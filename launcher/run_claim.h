// Claims a run's folder before training: refused if it already holds a run, emptied on --overwrite, checked and gone on
// with on --resume. Rank 0 alone.
#pragma once

#include <filesystem>

#include "core/config.h"
#include "core/run_log.h"

namespace fer_ddp {

enum class ExistingRun { kRefuse, kOverwrite, kResume };

// Makes the folder ready. Throws Error (the user's fault) if it holds a run that is neither to be overwritten
// nor resumed, or if a resumed run's configuration differs in a key that its past depends on.
void prepare_output(const Config& config, ExistingRun existing);

// Writes config.json: from now on the folder holds a run. Called when all that can be wrong before the first step has
// been looked at, so that a start that failed does not stand in the way of the next.
void mark_as_run(const Config& config);

}  // namespace fer_ddp
