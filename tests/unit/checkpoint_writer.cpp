#include "train/checkpoint_writer.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "checkpoint_parts.h"
#include "core/error.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

namespace fs = std::filesystem;

class Writing : public ::testing::Test {
 protected:
  // Each checkpoint waits at the closed gate before it takes its final name.
  [[nodiscard]] CheckpointFolder folder_behind_the_gate() const {
    return {path_, 10, [open = open_] { open.wait(); }};
  }
  void open_gate() { opened_.set_value(); }

  // What a run would go on from now.
  [[nodiscard]] CheckpointParts read_newest() const {
    std::vector<std::string> passed_over;
    const auto found = CheckpointFolder(path_, 10).read_newest(passed_over);
    CheckpointParts parts;
    if (found) decode_checkpoint(*found, read_checkpoint_state(*found), parts.all());
    return parts;
  }
  [[nodiscard]] bool is_complete(int epoch) const {
    return fs::exists(path_ / checkpoint_name({.epoch = epoch, .step = 0}) / "COMPLETE");
  }

  TemporaryFolder temporary_;
  fs::path path_ = temporary_.path() / "checkpoints";
  std::promise<void> opened_;
  std::shared_future<void> open_ = opened_.get_future().share();
};

TEST_F(Writing, IsOfTheStateAsItWasTaken) {
  CheckpointParts parts;
  BackgroundWriter writer;
  CheckpointWriter checkpoints(folder_behind_the_gate(), writer);
  parts.train(1.0, 0.2);
  checkpoints.take(parts.all());
  EXPECT_FALSE(is_complete(1));
  parts.train(0.5, 0.4);  // better by everything: no weights of the first epoch are kept, but early stopping's
  parts.kept.best = parts.kept.lowest_loss;
  open_gate();
  checkpoints.finish();

  const CheckpointParts read = read_newest();
  EXPECT_EQ(read.state.epoch, 1);
  EXPECT_EQ(read.state.history.size(), 1U);
  EXPECT_EQ(read.model->store().weights()[0], 0.0F);
  for (const Optimizer::Slot& slot : read.optimizer->slots()) EXPECT_EQ(slot.values[0], 0.0F);
  EXPECT_EQ(read.kept.best->epoch, 0);
  EXPECT_EQ(read.kept.lowest_loss->epoch, 0);
}

TEST_F(Writing, OfTheNextOneWaitsForTheOneBefore) {
  CheckpointParts parts;
  BackgroundWriter writer;
  CheckpointWriter checkpoints(folder_behind_the_gate(), writer);
  parts.train(1.0, 0.2);
  checkpoints.take(parts.all());
  parts.train(0.5, 0.4);
  std::jthread opener([this] { open_gate(); });
  checkpoints.take(parts.all());
  EXPECT_TRUE(is_complete(1));
  checkpoints.finish();
  EXPECT_EQ(read_newest().model->store().weights()[0], 1.0F);
  fs::remove_all(path_ / checkpoint_name({.epoch = 2, .step = 0}));
  EXPECT_EQ(read_newest().model->store().weights()[0], 0.0F);  // the memory that both were copied to was free
  EXPECT_EQ(checkpoints.times().count, 2);
}

TEST_F(Writing, HandsItsErrorToTheNextOneAndToTheEnd) {
  CheckpointParts parts;
  BackgroundWriter writer;
  CheckpointWriter checkpoints({path_, 10, [] { throw machine_error("the folder was taken over"); }}, writer);
  const auto thrown_by = [](const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(thrown_by([&] { checkpoints.take(parts.all()); }), "");
  EXPECT_EQ(thrown_by([&] { checkpoints.take(parts.all()); }), "the folder was taken over");
  EXPECT_EQ(thrown_by([&] { checkpoints.finish(); }), "the folder was taken over");
  EXPECT_TRUE(checkpoints.failed());
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_EQ(checkpoints.times().count, 0);
}

TEST_F(Writing, IsBroughtToItsEndWhereAllElseEnds) {
  std::jthread opener;
  {
    BackgroundWriter writer;
    CheckpointParts parts;
    CheckpointWriter checkpoints(folder_behind_the_gate(), writer);
    parts.train(1.0, 0.2);
    checkpoints.take(parts.all());
    opener = std::jthread([this] { open_gate(); });
  }
  EXPECT_EQ(read_newest().state.epoch, 1);
}

}  // namespace

}  // namespace fer_ddp
