// A run whose loss is not finite any more: all ranks end it at the same step, also where a device tells its sums late,
// and no checkpoint is written of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/host_runtime.h"
#include "tests/mpi/small_dataset.h"
#include "tests/mpi/world.h"
#include "tests/unit/temporary_folder.h"
#include "train/trainer.h"

namespace fer_ddp {

namespace {

struct Ended {
  TrainingOutcome outcome;
  TrainingState state;
  std::vector<std::string> checkpoints;  // rank 0's
};

Ended train(const Config& config, bool on_a_device) {
  const SmallDataset faces;
  const Dataset dataset = faces.dataset();
  const TemporaryFolder folder;
  const auto model = make_model(config);
  BackgroundWriter writer;
  HostRuntime runtime(world_communicator());
  Trainer trainer(config, *model,
                  {.communicator = world_communicator(),
                   .dataset = dataset,
                   .checkpoints = CheckpointFolder(folder.path(), 100),
                   .writer = writer,
                   .stop_requested = [] { return false; },
                   .device = on_a_device ? &runtime : nullptr});
  Ended ended{.outcome = trainer.run(), .state = trainer.state(), .checkpoints = {}};
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    ended.checkpoints.push_back(entry.path().filename().string());
  return ended;
}

// Adam's first update makes each weight as large as this: the second step's loss is none.
Config diverging(int batch_size) {
  return {.learning_rate = 1e30, .epochs = 3, .batch_size = batch_size, .checkpoint_every_seconds = std::nullopt};
}

void expect_one_end(const Ended& ended) {
  EXPECT_EQ(ended.state.stop_reason, StopReason::kDiverged);
  EXPECT_FALSE(ended.outcome.interrupted);
  const std::string own = fmt::format("{} {}", ended.state.epoch, ended.state.step);
  for (const std::string& other : world_communicator().all_gather(own)) EXPECT_EQ(other, own);
}

class Divergence : public ::testing::TestWithParam<bool> {};

TEST_P(Divergence, EndsTheEpochInWhichItShows) {
  const Ended ended = train(diverging(2), GetParam());
  expect_one_end(ended);
  EXPECT_EQ(ended.state.epoch, 0);
  EXPECT_LT(ended.state.step, 11);
  EXPECT_FALSE(ended.outcome.has_weights);
  EXPECT_TRUE(ended.checkpoints.empty());
}

// Three steps: a device's sums come in when the epoch is over.
TEST_P(Divergence, MayShowWhenTheEpochIsOver) {
  const Ended ended = train(diverging(8), GetParam());
  expect_one_end(ended);
  EXPECT_EQ(ended.state.epoch, 0);
  EXPECT_TRUE(ended.state.history.empty());
  EXPECT_TRUE(ended.checkpoints.empty());
}

TEST_P(Divergence, LeavesTheBestEpochsWeights) {
  const Ended ended = train(diverging(22), GetParam());
  expect_one_end(ended);
  EXPECT_EQ(ended.state.epoch, 1);
  EXPECT_TRUE(ended.outcome.has_weights);
  EXPECT_EQ(ended.outcome.restored_epoch, 0);
  EXPECT_TRUE(ended.outcome.test);
}

TEST_P(Divergence, IsInNoCheckpointThatTheClockAsksFor) {
  Config config = diverging(2);
  config.checkpoint_every_seconds = 1e-9;
  const Ended ended = train(config, GetParam());
  expect_one_end(ended);
  // The first step's loss and the weights that it leaves are finite.
  if (world_communicator().rank() == 0) {
    EXPECT_EQ(ended.checkpoints, std::vector<std::string>{"epoch-00000-step-00000001"});
  }
}

TEST_P(Divergence, DoesNotEndARunThatIsToGoOn) {
  Config config = diverging(8);
  config.terminate_on_nan = false;
  const Ended ended = train(config, GetParam());
  EXPECT_EQ(ended.state.stop_reason, StopReason::kEpochsDone);
  EXPECT_EQ(ended.state.history.size(), 3U);
  EXPECT_FALSE(std::isfinite(ended.state.history.back().loss));
}

INSTANTIATE_TEST_SUITE_P(On, Divergence, ::testing::Bool(),
                         [](const auto& device) { return device.param ? "ADevice" : "TheCpu"; });

}  // namespace

}  // namespace fer_ddp
