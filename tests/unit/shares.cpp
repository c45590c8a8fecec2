#include <gtest/gtest.h>

#include "core/share.h"
#include "data/sampler.h"
#include "kernels/tree_sum.h"

namespace fer_ddp {

namespace {

TEST(Share, PartsFollowEachOtherAndDifferByOneAtMost) {
  for (const int64_t size : {0, 1, 7, 32, 100, 128}) {
    for (const int64_t parts : {1, 2, 3, 8, 16, 130}) {
      EXPECT_EQ(share_begin<int64_t>(size, 0, parts), 0);
      EXPECT_EQ(share_begin<int64_t>(size, parts, parts), size);
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t own = share_begin<int64_t>(size, part + 1, parts) - share_begin<int64_t>(size, part, parts);
        EXPECT_TRUE(own == size / parts || own == size / parts + 1) << size << " among " << parts;
      }
    }
  }
}

// Where it did not, ranks would add up other leaves than one rank does, and the bits would differ.
TEST(Share, EachRanksShareBeginsAndEndsAtALeafOfTheGlobalBatch) {
  constexpr int kLeaves = 16;
  for (int64_t images = 0; images <= 130; ++images) {
    const std::vector<int> whole = leaves_of_share(images, 0, images, kLeaves, 0, 1);
    for (const int world_size : {2, 4, 8, 16}) {
      const int own = kLeaves / world_size;
      for (int rank = 0; rank < world_size; ++rank) {
        const PositionRange share = rank_share({0, images}, rank, world_size);
        const std::vector<int> leaves = leaves_of_share(images, share.begin, share.end, kLeaves, rank, world_size);
        ASSERT_EQ(leaves.size(), static_cast<size_t>(own) + 1);
        EXPECT_EQ(leaves.front(), 0);
        EXPECT_EQ(leaves.back(), share.size());
        for (int leaf = 0; leaf <= own; ++leaf)
          EXPECT_EQ(share.begin + leaves[static_cast<size_t>(leaf)], whole[static_cast<size_t>(rank * own + leaf)])
              << images << " images, rank " << rank << " of " << world_size;
      }
    }
  }
}

}  // namespace

}  // namespace fer_ddp
