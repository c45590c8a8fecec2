// How many threads each rank runs, agreed between the ranks of a machine.
#pragma once

#include "comm/communicator.h"

namespace fer_ddp {

// Collective. Takes this rank's share of the machine's cores (see core/cpu_placement.h).
[[nodiscard]] int take_thread_share(Communicator& communicator);

}  // namespace fer_ddp
