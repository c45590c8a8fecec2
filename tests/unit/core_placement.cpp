#include <gtest/gtest.h>

#include "core/cpu_placement.h"

namespace fer_ddp {

namespace {

std::vector<Cpu> cpus(int cores, int threads_a_core) {
  std::vector<Cpu> all;
  for (int id = 0; id < cores * threads_a_core; ++id) all.push_back({.id = id, .core = id % cores});
  return all;
}

TEST(CpuPlacement, ARankAloneGetsEveryCoreButNotEveryHardwareThread) {
  EXPECT_EQ(fair_thread_count(cpus(8, 2), 0, 1), 8);
}

TEST(CpuPlacement, SharesDifferByOneAtMostAndUseEveryCore) {
  int total = 0;
  for (int rank = 0; rank < 3; ++rank) {
    const int share = fair_thread_count(cpus(8, 1), rank, 3);
    EXPECT_GE(share, 2);
    EXPECT_LE(share, 3);
    total += share;
  }
  EXPECT_EQ(total, 8);
}

TEST(CpuPlacement, MoreRanksThanCoresGetOneThreadEach) {
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(fair_thread_count(cpus(2, 1), rank, 4), 1);
}

TEST(CpuPlacement, TheNodesShareIsNeverEmpty) { EXPECT_FALSE(take_node_share().empty()); }

}  // namespace

}  // namespace fer_ddp
