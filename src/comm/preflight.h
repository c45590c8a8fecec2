// What ranks must have in common before the first step. A difference would train nonsense or hang; here it is one error
// that names the fact, the rank and the host.
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

}  // namespace fer_ddp
