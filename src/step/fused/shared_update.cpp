#include "step/fused/shared_update.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace fer_ddp {

namespace {

constexpr int64_t kUpdateGrain = 1 << 14;  // weights that are worth a thread
constexpr int64_t kUpdateBlock = 1 << 12;  // summed and updated at once, while they are in the cache

}  // namespace

void update_shared_weights(HierarchicalReducer& reducer, Optimizer& optimizer, double learning_rate, PassClock& clock,
                           UpdatePasses passes) {
  optimizer.begin_step(learning_rate);
  reducer.wait_for_sums();
  clock.lap(passes.sum_over_ranks);
  const FlatRange mine = reducer.slice();
  at::parallel_for(static_cast<int64_t>(mine.begin), static_cast<int64_t>(mine.end), kUpdateGrain,
                   [&](int64_t first, int64_t last) {
                     for (int64_t begin = first; begin < last; begin += kUpdateBlock) {
                       const auto from = static_cast<size_t>(begin);
                       const auto to = static_cast<size_t>(std::min(begin + kUpdateBlock, last));
                       reducer.add_up({from, to});
                       optimizer.update(reducer.shared(), reducer.own(), from, to);
                     }
                   });
  clock.lap(passes.update_weights);
  reducer.barrier();
  clock.lap(passes.sum_over_ranks);
}

}  // namespace fer_ddp
