// Which rows make global batch b of epoch e, and which of them are a rank's. Pure functions of (rows, batch size, seed,
// epoch, rank, world size): the global batch never depends on the world size, and the ranks' shares, in rank order, are
// the global batch. The last batch of an epoch is as small as it must be; a rank's share may be empty.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fer_ddp {

// Half-open range of positions in an epoch's order.
struct PositionRange {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const { return end - begin; }
  friend bool operator==(const PositionRange&, const PositionRange&) = default;
};

// Steps that cover `rows` rows in batches of `batch_size`.
[[nodiscard]] int64_t steps_per_epoch(int64_t rows, int64_t batch_size);

// The positions of global batch `step`.
[[nodiscard]] PositionRange global_batch(int64_t rows, int64_t batch_size, int64_t step);

// Rank `rank`'s share of `range`: contiguous, sizes differ by one at most.
[[nodiscard]] PositionRange rank_share(PositionRange range, int rank, int world_size);

// Row at each position of an epoch: 0 .. rows - 1 where `shuffle` is off, else a permutation keyed by (seed, epoch).
[[nodiscard]] std::vector<int32_t> epoch_order(int64_t rows, bool shuffle, uint64_t seed, int epoch);

}  // namespace fer_ddp
