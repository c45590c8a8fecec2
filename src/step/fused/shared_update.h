// The update of weights that are one copy a host: each rank adds up and updates its slice, while a block of it is in
// the cache. Collective: the other ranks' slices are there when it returns.
#pragma once

#include "comm/hierarchical_reducer.h"
#include "core/pass_clock.h"
#include "optim/optimizer.h"

namespace fer_ddp {

// The passes of `clock` that an update's times go to.
struct UpdatePasses {
  size_t sum_over_ranks;
  size_t update_weights;
};

// From the sums that `reducer` was started on.
void update_shared_weights(HierarchicalReducer& reducer, Optimizer& optimizer, double learning_rate, PassClock& clock,
                           UpdatePasses passes);

}  // namespace fer_ddp
