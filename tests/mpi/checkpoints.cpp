// Checkpoints that are written while the ranks train on: they hold nobody up, a stop waits for them, and where writing
// fails on rank 0 all ranks end alike. How slow writing is, and whether it fails, is told by what is asked before a
// file takes its final name.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "comm/agreement.h"
#include "tests/mpi/small_dataset.h"
#include "tests/mpi/world.h"
#include "tests/unit/temporary_folder.h"
#include "train/trainer.h"

namespace fer_ddp {

namespace {

constexpr int kStepsPerEpoch = 3;

Config endless() {
  return {.epochs = 100'000,
          .batch_size = 8,
          .early_stopping_patience = std::nullopt,
          .checkpoint_every_seconds = std::nullopt};
}

class CheckpointsOfARun : public ::testing::Test {
 protected:
  TrainingOutcome train(const Config& config, const PublishCheck& check, const std::function<bool()>& stop_requested,
                        const StoredCheckpoint* from = nullptr) {
    const SmallDataset faces;
    const Dataset dataset = faces.dataset();
    const auto model = make_model(config);
    BackgroundWriter& writer = writer_.emplace();
    Trainer trainer(config, *model,
                    {.communicator = world_communicator(),
                     .dataset = dataset,
                     .checkpoints = CheckpointFolder(folder_.path(), 100, check),
                     .writer = writer,
                     .stop_requested = stop_requested});
    const auto look = [&] {
      state_ = trainer.state();
      steps_ = trainer.steps_run();
    };
    if (from != nullptr) trainer.resume(*from);
    try {
      TrainingOutcome outcome = trainer.run();
      look();
      return outcome;
    } catch (...) {
      look();
      throw;
    }
  }

  // The error with which all ranks end alike, and where.
  std::string error_of(const Config& config, const PublishCheck& check, const std::function<bool()>& stop_requested) {
    std::string error = "nothing was thrown";
    try {
      train(config, check, stop_requested);
    } catch (const AgreedError& thrown) {
      error = thrown.what();
      EXPECT_EQ(thrown.exit_code(), 1);
    }
    const std::string own = error + " " + std::to_string(steps_);
    for (const std::string& other : world_communicator().all_gather(own)) EXPECT_EQ(other, own);
    return error;
  }

  static std::string named(const std::string& what) {
    return world_communicator().size() > 1 ? world_communicator().name_of(0) + ": " + what : what;
  }

  [[nodiscard]] bool is_complete(int epoch, int64_t step) const {
    return std::filesystem::exists(folder_.path() / checkpoint_name({.epoch = epoch, .step = step}) / "COMPLETE");
  }

  TemporaryFolder folder_;
  std::optional<BackgroundWriter> writer_;
  TrainingState state_;
  int64_t steps_ = 0;
};

// Nothing is put in place before the stop is asked for, two steps into the next epoch: only a run that trains on
// meanwhile gets there.
TEST_F(CheckpointsOfARun, AreWrittenWhileItTrainsOnAndAStopWaitsForThem) {
  std::atomic<bool> stop_is_asked = false;
  int64_t polls = 0;
  const TrainingOutcome outcome = train(
      endless(), [&] { stop_is_asked.wait(false); },
      [&] {
        if (++polls < kStepsPerEpoch + 2) return false;
        stop_is_asked = true;
        stop_is_asked.notify_all();
        return true;
      });
  EXPECT_TRUE(outcome.interrupted);
  EXPECT_EQ(state_.epoch, 1);
  EXPECT_EQ(state_.step, 2);
  if (world_communicator().rank() == 0) {
    EXPECT_TRUE(is_complete(1, 0));
    EXPECT_TRUE(is_complete(1, 2));
  }
}

// For when the run comes back to a device like that one.
TEST_F(CheckpointsOfARun, KeepWhatADeviceHasChosenWhereTheRunIsOnAnother) {
  Config config = endless();
  config.epochs = 1;
  train(config, {}, [] { return false; });
  const CheckpointFolder first(world_communicator().all_gather(folder_.path().string())[0], 100);
  std::vector<std::string> passed_over;
  StoredCheckpoint checkpoint = first.read_newest(passed_over).value();
  CheckpointState state = read_checkpoint_state(checkpoint);
  state.device_choices = "NVIDIA H100, fp32\nforward";
  for (auto& [name, text] : checkpoint.files)
    if (name.starts_with("state")) text = checkpoint_state_text(state);
  config.epochs = 2;
  train(
      config, {}, [] { return false; }, &checkpoint);
  const StoredCheckpoint newest = first.read_newest(passed_over).value();
  world_communicator().barrier();  // rank 0 removes its folder with the test
  EXPECT_NE(newest.path, checkpoint.path);
  EXPECT_EQ(read_checkpoint_state(newest).device_choices, state.device_choices);
}

TEST_F(CheckpointsOfARun, EndItOnAllRanksAlikeWhereWritingFails) {
  const auto fail = [] { throw machine_error("the disk is full"); };
  EXPECT_EQ(error_of(endless(), fail, [] { return false; }), named("the disk is full"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / checkpoint_name({.epoch = 1, .step = 0})));
}

// No other checkpoint is due: it is the step that tells.
TEST_F(CheckpointsOfARun, EndItAtTheStepAtWhichWritingHasFailed) {
  std::atomic<bool> may_fail = false;
  int64_t polls = 0;
  const auto fail = [&] {
    may_fail.wait(false);
    throw machine_error("the disk is full");
  };
  const auto wait_for_failure = [&] {
    if (++polls < kStepsPerEpoch + 2 || world_communicator().rank() != 0) return false;
    may_fail = true;
    may_fail.notify_all();
    while (!writer_->failed()) std::this_thread::yield();
    return false;
  };
  EXPECT_EQ(error_of(endless(), fail, wait_for_failure), named("the disk is full"));
  EXPECT_EQ(state_.epoch, 1);
  EXPECT_EQ(state_.step, 2);
}

TEST_F(CheckpointsOfARun, EndItBeforeAnythingIsTestedWhereTheLastOneFails) {
  Config config = endless();
  config.epochs = 1;
  const auto fail = [] { throw machine_error("the disk is full"); };
  EXPECT_EQ(error_of(config, fail, [] { return false; }), named("the disk is full"));
  EXPECT_EQ(state_.stop_reason, StopReason::kEpochsDone);
}

TEST_F(CheckpointsOfARun, ThatCannotBeWrittenAreNoStop) {
  const auto fail = [] { throw machine_error("the disk is full"); };
  EXPECT_EQ(error_of(endless(), fail, [] { return true; }), named("the disk is full"));
  EXPECT_EQ(steps_, 1);
}

// An error of another kind, thrown on one rank while its writer is at work, leaves no thread behind.
TEST_F(CheckpointsOfARun, AreBroughtToTheirEndWhereARankThrows) {
  std::atomic<bool> has_thrown = false;
  int64_t polls = 0;
  EXPECT_THROW(train(
                   endless(), [&] { has_thrown.wait(false); },
                   [&]() -> bool {
                     if (++polls < kStepsPerEpoch + 2) return false;
                     has_thrown = true;
                     has_thrown.notify_all();
                     throw machine_error("on each rank");
                   }),
               Error);
  writer_.reset();
  EXPECT_EQ(is_complete(1, 0), world_communicator().rank() == 0);
}

}  // namespace

}  // namespace fer_ddp
