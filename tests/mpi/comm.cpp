// Collectives, agreement and consistency between real MPI processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <numeric>

#include "comm/agreement.h"
#include "comm/consistency.h"
#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;

TEST(Communicator, SumsAndMaximaAreThoseOfAllRanks) {
  Communicator& world = world_communicator();
  const int size = world.size();
  std::array<float, 2> floats = {1.0F, static_cast<float>(world.rank())};
  world.all_reduce(std::span<float>(floats), ReduceOperation::kSum);
  EXPECT_EQ(floats[0], static_cast<float>(size));
  const int sum_of_ranks = size * (size - 1) / 2;
  EXPECT_EQ(floats[1], static_cast<float>(sum_of_ranks));
  std::array<double, 1> doubles = {static_cast<double>(world.rank())};
  world.all_reduce(std::span<double>(doubles), ReduceOperation::kMax);
  EXPECT_EQ(doubles[0], size - 1.0);
  std::array<int64_t, 1> whole = {int64_t{1} << 40};
  world.all_reduce(std::span<int64_t>(whole), ReduceOperation::kSum);
  EXPECT_EQ(whole[0], size * (int64_t{1} << 40));
}

TEST(Communicator, ReductionsUnderWayKeepTheirOrder) {
  Communicator& world = world_communicator();
  std::vector<float> first(100000, 1.0F);
  std::vector<float> second(3, 2.0F);
  const auto first_pending = world.start_sum(first);
  const auto second_pending = world.start_sum(second);
  second_pending->wait();
  first_pending->wait();
  EXPECT_EQ(first.back(), static_cast<float>(world.size()));
  EXPECT_EQ(second.front(), 2.0F * static_cast<float>(world.size()));
}

TEST(Communicator, TextsOfAnyLengthAreGatheredByRank) {
  Communicator& world = world_communicator();
  const auto texts = world.all_gather(std::string(static_cast<size_t>(world.rank()), 'x'));
  ASSERT_EQ(texts.size(), static_cast<size_t>(world.size()));
  for (size_t rank = 0; rank < texts.size(); ++rank) EXPECT_EQ(texts[rank].size(), rank);
  EXPECT_EQ(broadcast_text(world, world.rank() == 0 ? "from rank 0" : ""), "from rank 0");
}

TEST(Communicator, TheNodesMemoryIsOne) {
  Communicator& world = world_communicator();
  const NodeMemory held = world.allocate_node_memory(64);
  const std::span<std::byte> memory = held.bytes();
  memory[static_cast<size_t>(world.node_rank())] = std::byte{7};
  world.barrier();
  for (int rank = 0; rank < world.node_size(); ++rank) EXPECT_EQ(memory[static_cast<size_t>(rank)], std::byte{7});
  EXPECT_EQ(memory[63], std::byte{0});
}

TEST(Communicator, TheNodesMemoryMayBeEmpty) {
  EXPECT_TRUE(world_communicator().allocate_node_memory(0).bytes().empty());
}

TEST(Agreement, AnErrorOfOneRankIsEveryRanks) {
  Communicator& world = world_communicator();
  const int last = world.size() - 1;
  try {
    run_together(world, [&] {
      if (world.rank() == last) throw user_error("row 7 is bad", "Mend it.");
    });
    ADD_FAILURE() << "no error on rank " << world.rank();
  } catch (const AgreedError& error) {
    EXPECT_STREQ(error.what(), "row 7 is bad");
    EXPECT_EQ(error.advice(), "Mend it.");
    EXPECT_EQ(error.exit_code(), 2);
  }
}

TEST(Agreement, AFaultOfTheMachineNamesTheRank) {
  Communicator& world = world_communicator();
  const int last = world.size() - 1;
  try {
    run_together(world, [&] {
      if (world.rank() == last) throw std::bad_alloc();
    });
    ADD_FAILURE() << "no error on rank " << world.rank();
  } catch (const AgreedError& error) {
    EXPECT_THAT(error.what(), HasSubstr("out of memory"));
    const std::string named = world.size() > 1 ? "rank " + std::to_string(last) + " on " : "";
    EXPECT_THAT(error.what(), HasSubstr(named));
    EXPECT_EQ(error.exit_code(), 1);
  }
}

TEST(Agreement, OfSeveralErrorsTheLowestRanksCounts) {
  Communicator& world = world_communicator();
  try {
    run_together(world, [&] { throw user_error("from rank " + std::to_string(world.rank())); });
    ADD_FAILURE() << "no error";
  } catch (const AgreedError& error) {
    EXPECT_STREQ(error.what(), "from rank 0");
  }
}

TEST(Preflight, EqualFactsPass) {
  EXPECT_NO_THROW(require_agreement(world_communicator(), {{"configuration", "a"}, {"build", "b"}}));
}

TEST(Preflight, ADifferenceNamesFactAndRank) {
  Communicator& world = world_communicator();
  if (world.size() == 1) return;
  const int last = world.size() - 1;
  try {
    require_agreement(world, {{"configuration", "a"}, {"build", world.rank() == last ? "c" : "b"}});
    ADD_FAILURE() << "no error on rank " << world.rank();
  } catch (const AgreedError& error) {
    EXPECT_THAT(error.what(), HasSubstr("rank " + std::to_string(last)));
    EXPECT_THAT(error.what(), HasSubstr("another build than rank 0"));
  }
}

TEST(Preflight, AnotherBuildIsNamedThoughItsOtherFactsDifferToo) {
  Communicator& world = world_communicator();
  if (world.size() == 1) return;
  std::vector<Fact> facts = {{"build", "a"}, {"configuration", "b"}};
  if (world.rank() == world.size() - 1) facts = {{"build", "c"}};
  try {
    require_agreement(world, facts);
    ADD_FAILURE() << "no error on rank " << world.rank();
  } catch (const AgreedError& error) {
    EXPECT_THAT(error.what(), HasSubstr("another build than rank 0"));
  }
}

TEST(Preflight, ReplicasThatDriftApartAreTheMachinesFault) {
  Communicator& world = world_communicator();
  EXPECT_NO_THROW(require_equal_replicas(world, {"set of weights", "a"}));
  if (world.size() == 1) return;
  const int last = world.size() - 1;
  try {
    require_equal_replicas(world, {"set of weights", world.rank() == last ? "b" : "a"});
    ADD_FAILURE() << "no error on rank " << world.rank();
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.fault(), Fault::kMachine);
    EXPECT_THAT(error.what(), HasSubstr("rank " + std::to_string(last)));
  }
}

TEST(Slurm, ASingletonAmongSeveralTasksIsRefused) {
  RunLog log(false);
  setenv("SLURM_NTASKS", "4", 1);
  EXPECT_THROW(refuse_singletons_under_slurm(1, log), Error);
  EXPECT_NO_THROW(refuse_singletons_under_slurm(4, log));
  setenv("SLURM_NTASKS", "1", 1);
  EXPECT_NO_THROW(refuse_singletons_under_slurm(1, log));
  EXPECT_FALSE(log.silent());
  unsetenv("SLURM_NTASKS");
}

}  // namespace

}  // namespace fer_ddp
