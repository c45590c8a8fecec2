#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "data/sampler.h"

namespace fer_ddp {
namespace {

TEST(Sampler, BatchesCoverAnEpochAndTheLastIsAsSmallAsItMustBe) {
  EXPECT_EQ(steps_per_epoch(25120, 128), 197);
  EXPECT_EQ(global_batch(25120, 128, 0), (PositionRange{0, 128}));
  EXPECT_EQ(global_batch(25120, 128, 196), (PositionRange{25088, 25120}));
}

TEST(Sampler, AnEmptySplitHasNoSteps) { EXPECT_EQ(steps_per_epoch(0, 128), 0); }

TEST(Sampler, ABatchLargerThanTheSplitIsOneStep) {
  EXPECT_EQ(steps_per_epoch(5, 128), 1);
  EXPECT_EQ(global_batch(5, 128, 0), (PositionRange{0, 5}));
}

TEST(Sampler, SharesInRankOrderAreTheGlobalBatch) {
  for (const int world_size : {1, 2, 3, 4, 7, 200}) {
    const PositionRange batch{256, 384};
    int64_t next = batch.begin;
    int64_t smallest = batch.size();
    int64_t largest = 0;
    for (int rank = 0; rank < world_size; ++rank) {
      const PositionRange share = rank_share(batch, rank, world_size);
      EXPECT_EQ(share.begin, next);
      next = share.end;
      smallest = std::min(smallest, share.size());
      largest = std::max(largest, share.size());
    }
    EXPECT_EQ(next, batch.end);
    EXPECT_LE(largest - smallest, 1);
  }
}

TEST(Sampler, AnEpochsOrderIsAPermutation) {
  std::vector<int32_t> order = epoch_order(1000, true, 7, 3);
  std::sort(order.begin(), order.end());
  std::vector<int32_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(order, all);
}

TEST(Sampler, EpochsAndSeedsHaveOrdersOfTheirOwn) {
  EXPECT_EQ(epoch_order(1000, true, 7, 3), epoch_order(1000, true, 7, 3));
  EXPECT_NE(epoch_order(1000, true, 7, 3), epoch_order(1000, true, 7, 4));
  EXPECT_NE(epoch_order(1000, true, 7, 3), epoch_order(1000, true, 8, 3));
}

TEST(Sampler, WithoutShufflingRowsComeInOrder) {
  const std::vector<int32_t> order = epoch_order(100, false, 7, 3);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

}  // namespace
}  // namespace fer_ddp
