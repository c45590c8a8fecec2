#include "step/fused/shared_update.h"

#include "step/piecewise_update.h"

namespace fer_ddp {

namespace {

// Which pieces each of the host's ranks works on; the reducer gathers by the same.
std::vector<size_t> take_share(HierarchicalReducer& reducer, const Optimizer& optimizer) {
  std::vector<std::vector<size_t>> shares = shared_out(optimizer.pieces(), reducer.members());
  std::vector<std::vector<FlatRange>> parts(shares.size());
  for (size_t member = 0; member < shares.size(); ++member) {
    for (const size_t piece : shares[member]) {
      const FlatRange range = optimizer.pieces()[piece].range;
      std::vector<FlatRange>& ranges = parts[member];
      if (!ranges.empty() && ranges.back().end == range.begin)
        ranges.back().end = range.end;
      else
        ranges.push_back(range);
    }
  }
  reducer.share_out(std::move(parts));
  return std::move(shares[static_cast<size_t>(reducer.member())]);
}

}  // namespace

void update_shared_weights(HierarchicalReducer& reducer, Optimizer& optimizer, double learning_rate, PassClock& clock,
                           UpdatePasses passes) {
  optimizer.begin_step(learning_rate);
  const std::vector<size_t> mine = take_share(reducer, optimizer);
  reducer.wait_for_sums();
  clock.lap(passes.sum_over_ranks);
  const auto add_up = [&](FlatRange part) { reducer.add_up(part); };
  if (optimizer.clips()) {
    std::vector<double> squares = squares_of_pieces(optimizer, mine, reducer.own(), add_up);
    clock.lap(passes.update_weights);
    reducer.gather(squares);
    clock.lap(passes.sum_over_ranks);
    clip_by(optimizer, squares);
    update_pieces(optimizer, mine, reducer.shared(), reducer.own(), [](FlatRange) {});
  } else {
    update_pieces(optimizer, mine, reducer.shared(), reducer.own(), add_up);
  }
  clock.lap(passes.update_weights);
  reducer.barrier();
  clock.lap(passes.sum_over_ranks);
}

}  // namespace fer_ddp
