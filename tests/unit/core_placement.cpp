#include <gtest/gtest.h>

#include "core/cpu_placement.h"

namespace fer_ddp {

namespace {

using Cores = std::set<int>;

Cores cores(int count, int first = 0) {
  Cores all;
  for (int core = first; core < first + count; ++core) all.insert(core);
  return all;
}

TEST(CpuPlacement, ARankAloneGetsEveryCoreButNotEveryHardwareThread) {
  const std::vector<Cpu> cpus = {
      {.id = 0, .core = 0}, {.id = 1, .core = 1}, {.id = 2, .core = 0}, {.id = 3, .core = 1}};
  EXPECT_EQ(fair_thread_count({physical_cores(cpus)}, 0), 2);
}

TEST(CpuPlacement, RanksThatMayRunEverywhereShareEveryCoreAndDifferByOneAtMost) {
  int total = 0;
  for (size_t rank = 0; rank < 3; ++rank) {
    const int share = fair_thread_count({cores(8), cores(8), cores(8)}, rank);
    EXPECT_GE(share, 2);
    EXPECT_LE(share, 3);
    total += share;
  }
  EXPECT_EQ(total, 8);
}

TEST(CpuPlacement, RanksThatWereGivenCoresOfTheirOwnUseThemAll) {
  const std::vector<Cores> as_srun_binds = {cores(4), cores(4, 4), cores(2, 8)};
  EXPECT_EQ(fair_thread_count(as_srun_binds, 0), 4);
  EXPECT_EQ(fair_thread_count(as_srun_binds, 1), 4);
  EXPECT_EQ(fair_thread_count(as_srun_binds, 2), 2);
}

TEST(CpuPlacement, ACoreThatSeveralMayRunOnCountsForOneOfThem) {
  const std::vector<Cores> as_two_sockets = {cores(4), cores(4), cores(4, 4), cores(4, 4)};
  for (size_t rank = 0; rank < 4; ++rank) EXPECT_EQ(fair_thread_count(as_two_sockets, rank), 2);
  const std::vector<Cores> one_within_the_other = {cores(4), cores(1)};
  EXPECT_EQ(fair_thread_count(one_within_the_other, 0), 3);
  EXPECT_EQ(fair_thread_count(one_within_the_other, 1), 1);
}

TEST(CpuPlacement, MoreRanksThanCoresGetOneThreadEach) {
  for (size_t rank = 0; rank < 4; ++rank)
    EXPECT_EQ(fair_thread_count({cores(2), cores(2), cores(2), cores(2)}, rank), 1);
}

TEST(CpuPlacement, TheNodesShareIsNeverEmpty) { EXPECT_FALSE(take_node_share().empty()); }

}  // namespace

}  // namespace fer_ddp
