#include "data/sampler.h"

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "core/share.h"

namespace fer_ddp {

int64_t steps_per_epoch(int64_t rows, int64_t batch_size) { return (rows + batch_size - 1) / batch_size; }

PositionRange global_batch(int64_t rows, int64_t batch_size, int64_t step) {
  return {std::min(step * batch_size, rows), std::min((step + 1) * batch_size, rows)};
}

PositionRange rank_share(PositionRange range, int rank, int world_size) {
  const auto edge = [&](int64_t r) { return range.begin + share_begin<int64_t>(range.size(), r, world_size); };
  return {edge(rank), edge(int64_t{rank} + 1)};
}

std::vector<int32_t> epoch_order(int64_t rows, bool shuffle, uint64_t seed, int epoch) {
  if (shuffle)
    return random_permutation(static_cast<int32_t>(rows),
                              {seed, RandomPurpose::kShuffle, static_cast<uint32_t>(epoch)});
  std::vector<int32_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace fer_ddp
