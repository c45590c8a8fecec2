// The update of weights that are one copy a host: each rank adds up and updates its share of them, while a block of it
// is in the cache. A matrix has one owner; where pieces of the buffers begin and end, and the order of every sum,
// depend on the layout alone, so that the bits are the same whoever owns what. Collective: the other ranks' shares are
// there when it returns.
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

// From the sums that `reducer` was started on. The optimizer's slots are kept up in this rank's share alone:
// reducer.gather_slices() makes them whole.
void update_shared_weights(HierarchicalReducer& reducer, Optimizer& optimizer, double learning_rate, PassClock& clock,
                           UpdatePasses passes);

}  // namespace fer_ddp
