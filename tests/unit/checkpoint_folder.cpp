#include "train/checkpoint_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/atomic_file.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

namespace fs = std::filesystem;

CheckpointContent state(const std::string& text) {
  return {{"state", [text](const ByteSink& to) { to(std::as_bytes(std::span(text))); }}};
}

class Checkpoints : public ::testing::Test {
 protected:
  [[nodiscard]] std::optional<CheckpointFiles> newest() { return folder_.read_newest(passed_over_); }
  [[nodiscard]] fs::path at(const char* name) const { return temporary_.path() / "checkpoints" / name; }

  TemporaryFolder temporary_;
  CheckpointFolder folder_{temporary_.path() / "checkpoints", 2};
  std::vector<std::string> passed_over_;
};

TEST_F(Checkpoints, ThereIsNoneAtFirst) { EXPECT_FALSE(newest().has_value()); }

TEST_F(Checkpoints, TheNewestByPositionIsRead) {
  folder_.write(0, 12, state("a"));
  folder_.write(1, 3, state("b"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "b"}}));
  EXPECT_TRUE(passed_over_.empty());
}

TEST_F(Checkpoints, OnlyTheNewestAreKept) {
  for (int epoch = 0; epoch < 5; ++epoch) folder_.write(epoch, 0, state("a"));
  EXPECT_FALSE(fs::exists(at("epoch-00002-step-00000000")));
  EXPECT_TRUE(fs::exists(at("epoch-00003-step-00000000")));
}

TEST_F(Checkpoints, ADamagedOneIsPassedOverForTheOneBefore) {
  folder_.write(0, 0, state("a"));
  folder_.write(1, 0, state("b"));
  std::ofstream(at("epoch-00001-step-00000000") / "state") << "c";
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "a"}}));
  EXPECT_EQ(passed_over_.size(), 1U);
}

TEST_F(Checkpoints, AnUnfinishedOneIsPassedOver) {
  folder_.write(0, 0, state("a"));
  folder_.write(1, 0, state("b"));
  fs::remove(at("epoch-00001-step-00000000") / "COMPLETE");
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "a"}}));
  EXPECT_EQ(passed_over_.size(), 1U);
}

TEST_F(Checkpoints, AMissingFileOrAGarbledMarkIsPassedOver) {
  folder_.write(0, 0, state("a"));
  folder_.write(1, 0, state("b"));
  fs::remove(at("epoch-00001-step-00000000") / "state");
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "a"}}));
  std::ofstream(at("epoch-00000-step-00000000") / "COMPLETE") << "{";
  EXPECT_FALSE(newest().has_value());
}

TEST_F(Checkpoints, AnUnfinishedOneOfTheSamePositionIsWrittenAgain) {
  folder_.write(1, 0, state("b"));
  fs::remove(at("epoch-00001-step-00000000") / "COMPLETE");
  folder_.write(1, 0, state("c"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "c"}}));
}

}  // namespace

}  // namespace fer_ddp
