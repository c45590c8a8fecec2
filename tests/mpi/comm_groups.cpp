// Ranks divided into groups: each talks by itself, has its hosts' memory to itself, and names its ranks by their number
// in the job.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <vector>

#include "comm/agreement.h"
#include "comm/hierarchical_reducer.h"
#include "core/host.h"
#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

using ::testing::StartsWith;

// Every second rank, so that neighbours are strangers.
class Groups : public ::testing::Test {
 protected:
  ~Groups() override {
    if (group_) group_->close();
  }

  [[nodiscard]] int color() const { return world_.rank() % 2; }
  [[nodiscard]] int expected_size() const { return (world_.size() + 1 - color()) / 2; }

  [[nodiscard]] double sum_in_group(double value) {
    std::array<double, 1> values = {value};
    group_->all_reduce(std::span<double>(values), ReduceOperation::kSum);
    return values[0];
  }

  Communicator& world_ = world_communicator();
  std::unique_ptr<Communicator> group_ = world_.split(color());
};

TEST_F(Groups, CountTheirRanksInTheirOrder) {
  EXPECT_EQ(group_->size(), expected_size());
  EXPECT_EQ(group_->rank(), world_.rank() / 2);
  EXPECT_EQ(group_->node_size(), expected_size());
  EXPECT_EQ(group_->node_rank(), group_->rank());
}

TEST_F(Groups, TalkAsOftenAsTheyLike) {
  const int sums = color() == 0 ? 200 : 3;
  for (int i = 0; i < sums; ++i) EXPECT_EQ(sum_in_group(10.0 + color()), expected_size() * (10.0 + color()));
  const std::vector<std::string> texts = group_->all_gather(std::to_string(world_.rank()));
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i], std::to_string(2 * static_cast<int>(i) + color()));
}

TEST_F(Groups, HaveTheNodesMemoryToThemselves) {
  const NodeMemory held = group_->allocate_node_memory(64);
  held.bytes()[static_cast<size_t>(group_->rank())] = std::byte{static_cast<unsigned char>(7 + color())};
  group_->barrier();
  for (int rank = 0; rank < group_->size(); ++rank)
    EXPECT_EQ(held.bytes()[static_cast<size_t>(rank)], std::byte{static_cast<unsigned char>(7 + color())});
  EXPECT_EQ(held.bytes()[63], std::byte{0});
  group_->barrier();
}

TEST_F(Groups, ReadTheWorldsMemory) {
  const NodeMemory held = world_.allocate_node_memory(8);
  if (world_.rank() == 0) held.bytes()[0] = std::byte{5};
  world_.barrier();
  group_->close();
  group_.reset();
  EXPECT_EQ(held.bytes()[0], std::byte{5});
}

TEST_F(Groups, SumThroughTheNodesMemory) {
  HierarchicalReducer reducer(*group_, 160, 160, std::chrono::seconds(60));
  for (float& value : reducer.own()) value = static_cast<float>(1 + world_.rank());
  reducer.all_reduce(FlatRange{0, 160});
  const int members = expected_size();
  const int sum = members * (1 + color()) + members * (members - 1);
  for (const float value : reducer.own()) EXPECT_EQ(value, static_cast<float>(sum));
  reducer.barrier();
}

TEST_F(Groups, NameTheirRanksByTheirNumberInTheJob) {
  for (int rank = 0; rank < group_->size(); ++rank)
    EXPECT_EQ(group_->name_of(rank), fmt::format("rank {} on {}", 2 * rank + color(), host_name()));
  if (group_->size() == 1) return;
  try {
    run_together(*group_, [&] {
      if (group_->rank() == group_->size() - 1) throw machine_error("the disk is full");
    });
    ADD_FAILURE() << "no error on rank " << world_.rank();
  } catch (const AgreedError& error) {
    EXPECT_THAT(error.what(), StartsWith(group_->name_of(group_->size() - 1) + ": the disk is full"));
  }
}

TEST_F(Groups, OfTheSameRanksMayBeMadeAgainAndAgain) {
  for (int round = 0; round < 20; ++round) {
    const std::unique_ptr<Communicator> again = group_->split(group_->rank() % 2);
    const NodeMemory held = again->allocate_node_memory(1000);
    again->close();
  }
  EXPECT_EQ(sum_in_group(1.0), expected_size());
}

// "Resident shared pages" of this process, in bytes.
size_t shared_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t all = 0;
  size_t resident = 0;
  size_t shared = 0;
  file >> all >> resident >> shared;
  return shared * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(Groups, MemoryThatNobodyHoldsIsFreed) {
  constexpr size_t kBytes = size_t{8} << 20;
  const size_t before = shared_bytes();
  for (int round = 0; round < 20; ++round) {
    const NodeMemory held = group_->allocate_node_memory(kBytes);
    held.bytes()[kBytes - 1] = std::byte{1};
  }
  EXPECT_LT(shared_bytes(), before + 3 * kBytes);
}

TEST_F(Groups, MemoryIsKeptForTheRankThatHoldsItLongest) {
  NodeMemory first = group_->allocate_node_memory(16);
  if (group_->rank() == 0) first.bytes()[3] = std::byte{9};
  group_->barrier();
  if (group_->rank() != 0) first = {};
  for (int round = 0; round < 3; ++round) static_cast<void>(group_->allocate_node_memory(16));
  if (group_->rank() == 0) {
    EXPECT_EQ(first.bytes()[3], std::byte{9});
  }
  first = {};
  EXPECT_EQ(group_->allocate_node_memory(16).bytes()[3], std::byte{0});
}

}  // namespace

}  // namespace fer_ddp
