// What ranks must have in common, before the first step and after each epoch. A difference would train nonsense or
// hang; here it is one error that names the fact, the rank and the host.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"

namespace fer_ddp {

// A fact's name, as it stands in the error ("configuration", "build"), and this rank's value.
using Fact = std::pair<std::string, std::string>;

// Collective. Throws Error (the user's fault) on every rank alike if some rank's value differs from rank 0's. All ranks
// pass the same names in the same order.
void require_agreement(Communicator& communicator, const std::vector<Fact>& facts);

// Collective. The same for what follows from equal beginnings, such as the replicas' weights: a difference is the
// machine's fault, and only ranks of the same arithmetic can agree.
void require_equal_replicas(Communicator& communicator, const Fact& fact);

}  // namespace fer_ddp
