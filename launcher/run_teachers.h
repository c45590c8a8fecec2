// The runs that a run learns from (step/teachers.h), as its folder keeps them: RUN/teachers/1/network.json and
// model.safetensors, and so on in the order of distill_from. A resumed run reads those, whatever has become of the
// folders that it was started with.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "core/atomic_file.h"
#include "core/config.h"
#include "launcher/run_claim.h"
#include "step/teachers.h"

namespace fer_ddp {

// Collective; rank 0 alone reads. Null where distill_from is empty. Throws Error, on every rank alike, naming key and
// path: the user's fault where a folder is no run's, the run's own, without weights, or they are not what its network
// asks for.
[[nodiscard]] std::unique_ptr<Teachers> provide_teachers(const Config& config, ExistingRun existing,
                                                         Communicator& communicator);

// Rank 0 alone: writes them into the run's folder, each file whole or not at all, unless they are there.
void write_teachers(const Config& config, const Teachers& teachers, const PublishCheck& check);

}  // namespace fer_ddp
