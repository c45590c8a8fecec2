// The hierarchical reducer: sums in the order of a tree over the ranks, whatever rank asks.
#include "comm/hierarchical_reducer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <vector>

#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

constexpr size_t kFloats = 1600;
constexpr FlatRange kReduced = {160, 1333};
constexpr std::chrono::seconds kTimeout{60};

// Values whose sum depends on the order of the additions.
float value_of(int rank, size_t i) { return std::ldexp(1.0F + static_cast<float>(i % 97) / 97.0F, -9 * (rank % 3)); }

template <typename T>
T tree_sum(int first, int count, size_t i) {
  if (count == 1) return static_cast<T>(value_of(first, i));
  int left = 1;
  while (2 * left < count) left *= 2;
  return tree_sum<T>(first, left, i) + tree_sum<T>(first + left, count - left, i);
}

HierarchicalReducer make_reducer() { return {world_communicator(), kFloats, kReduced.size(), kTimeout}; }

void fill(std::span<float> own) {
  for (size_t i = 0; i < own.size(); ++i) own[i] = value_of(world_communicator().rank(), i);
}

TEST(HierarchicalReducer, SlicesAreTheWhole) {
  HierarchicalReducer reducer = make_reducer();
  std::vector<float> covered(kFloats, 0.0F);
  for (size_t i = reducer.slice().begin; i < reducer.slice().end; ++i) covered[i] = 1.0F;
  world_communicator().all_reduce(std::span<float>(covered), ReduceOperation::kSum);
  EXPECT_EQ(covered, std::vector<float>(kFloats, 1.0F));
}

TEST(HierarchicalReducer, SumsOfDoublesAreTakenAsATree) {
  HierarchicalReducer reducer = make_reducer();
  const int world = world_communicator().size();
  for (int round = 0; round < 50; ++round) {
    std::vector<double> values(100);
    for (size_t i = 0; i < values.size(); ++i) values[i] = value_of(world_communicator().rank(), i + round);
    reducer.all_reduce(values);
    for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], tree_sum<double>(0, world, i + round));
  }
}

TEST(HierarchicalReducer, ARangeIsSummedOnEveryRank) {
  HierarchicalReducer reducer = make_reducer();
  const int world = world_communicator().size();
  for (int round = 0; round < 20; ++round) {
    fill(reducer.own());
    reducer.all_reduce(kReduced);
    for (size_t i = 0; i < kFloats; ++i)
      ASSERT_EQ(reducer.own()[i], i >= kReduced.begin && i < kReduced.end ? tree_sum<float>(0, world, i)
                                                                          : value_of(world_communicator().rank(), i));
  }
}

// What a step does: the slices of the sums make the shared buffer, which all then read.
TEST(HierarchicalReducer, SlicesOfTheSumsMakeOneSharedBuffer) {
  HierarchicalReducer reducer = make_reducer();
  const int world = world_communicator().size();
  for (int round = 0; round < 20; ++round) {
    fill(reducer.own());
    reducer.start_sum({0, 800});
    reducer.start_sum({1120, kFloats});
    reducer.wait_for_sums();
    const FlatRange mine = reducer.slice();
    reducer.add_up({mine.begin, mine.begin + mine.size() / 2});
    reducer.add_up({mine.begin + mine.size() / 2, mine.end});
    for (size_t i = mine.begin; i < mine.end; ++i) reducer.shared()[i] = reducer.own()[i];
    reducer.barrier();
    for (size_t i = 0; i < kFloats; ++i) {
      if (i >= 800 && i < 1120) continue;
      ASSERT_EQ(reducer.shared()[i], tree_sum<float>(0, world, i)) << i;
    }
    reducer.barrier();
  }
}

TEST(HierarchicalReducer, GathersWhatIsSharedOutOtherwise) {
  HierarchicalReducer reducer = make_reducer();
  // Three lines to each in turns.
  std::vector<std::vector<FlatRange>> parts(static_cast<size_t>(reducer.members()));
  for (size_t begin = 0; begin < kFloats; begin += 48)
    parts[begin / 48 % parts.size()].push_back({begin, std::min<size_t>(begin + 48, kFloats)});
  std::vector<float> values(kFloats, -1.0F);
  for (const FlatRange& mine : parts[static_cast<size_t>(reducer.member())])
    for (size_t i = mine.begin; i < mine.end; ++i) values[i] = static_cast<float>(i);
  reducer.share_out(parts);
  reducer.gather_slices(values);
  for (size_t i = 0; i < kFloats; ++i) ASSERT_EQ(values[i], static_cast<float>(i));
}

TEST(HierarchicalReducer, GathersNumbersOfWhichEachRankHasSome) {
  HierarchicalReducer reducer = make_reducer();
  std::vector<double> values(3 * HierarchicalReducer::kMostDoubles - 5, 0.0);
  for (size_t i = 0; i < values.size(); ++i)
    if (i % static_cast<size_t>(reducer.members()) == static_cast<size_t>(reducer.member()))
      values[i] = 1.0 / (1.0 + static_cast<double>(i));
  reducer.gather(values);
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], 1.0 / (1.0 + static_cast<double>(i)));
}

TEST(HierarchicalReducer, GatheredSlicesAreTheSameOnEveryRank) {
  HierarchicalReducer reducer = make_reducer();
  std::vector<float> values(kFloats, -1.0F);
  for (size_t i = reducer.slice().begin; i < reducer.slice().end; ++i) values[i] = static_cast<float>(i);
  reducer.gather_slices(values);
  for (size_t i = 0; i < kFloats; ++i) ASSERT_EQ(values[i], static_cast<float>(i));
}

}  // namespace

}  // namespace fer_ddp
