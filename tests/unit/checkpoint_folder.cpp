#include "train/checkpoint_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/atomic_file.h"
#include "core/error.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

namespace fs = std::filesystem;

CheckpointContent state(const std::string& text) {
  return {{"state", [text](const ByteSink& to) { to(std::as_bytes(std::span(text))); }}};
}

class Checkpoints : public ::testing::Test {
 protected:
  [[nodiscard]] std::optional<CheckpointFiles> newest() {
    const auto found = folder_.read_newest(passed_over_);
    return found ? std::optional(found->files) : std::nullopt;
  }
  void damage(const char* name) { std::ofstream(at(name) / "state") << "damaged"; }
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

// Halted as it has just finished a checkpoint, while another process takes the run over and writes newer ones.
TEST_F(Checkpoints, OneThatHasLostTheFolderRemovesNothingOld) {
  for (int epoch = 0; epoch < 2; ++epoch) folder_.write(epoch, 0, state("a"));
  const CheckpointFolder halted(temporary_.path() / "checkpoints", 2, [&] {
    if (!fs::exists(at("epoch-00002-step-00000000") / "COMPLETE")) return;
    CheckpointFolder(temporary_.path() / "checkpoints", 4).write(3, 0, state("b"));
    throw machine_error("taken over");
  });
  EXPECT_THROW(halted.write(2, 0, state("a")), Error);
  for (const char* name : {"epoch-00000", "epoch-00001", "epoch-00002", "epoch-00003"})
    EXPECT_TRUE(fs::exists(at((std::string(name) + "-step-00000000").c_str()) / "COMPLETE")) << name;
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "b"}}));
}

// Halted in the middle of removing an old one, it has at most one file left to remove when it finds out.
TEST_F(Checkpoints, BetweenTwoLooksAtWhoseTheFolderIsAtMostOneFileIsRemoved) {
  CheckpointContent content = state("a");
  content["weights"] = content["more"] = content.at("state");
  for (int epoch = 0; epoch < 2; ++epoch) folder_.write(epoch, 0, content);
  const auto old_files = [&] {
    int64_t files = 0;
    for (const char* name : {"epoch-00000-step-00000000", "epoch-00001-step-00000000"})
      if (fs::exists(at(name))) files += std::distance(fs::directory_iterator(at(name)), fs::directory_iterator());
    return files;
  };
  int64_t before = old_files();
  ASSERT_EQ(before, 2 * 4) << "three parts and the mark";
  const CheckpointFolder asking(temporary_.path() / "checkpoints", 1, [&] {
    const int64_t now = old_files();
    EXPECT_LE(before - now, 1);
    before = now;
  });
  asking.write(2, 0, content);
  EXPECT_EQ(old_files(), 0);
}

// A note of the user's, say, or a picture drawn from the weights.
TEST_F(Checkpoints, AFileOfTheUsersInAnOldOneStaysAndItsFolderWithIt) {
  const fs::path old = at("epoch-00000-step-00000000");
  folder_.write(0, 0, state("a"));
  std::ofstream(old / "notes.txt") << "mine";
  fs::create_directory(old / "plots");
  for (int epoch = 1; epoch < 5; ++epoch) folder_.write(epoch, 0, state("a"));
  EXPECT_EQ(read_file(old / "notes.txt"), "mine");
  EXPECT_TRUE(fs::exists(old / "plots"));
  EXPECT_FALSE(fs::exists(old / "state"));
  EXPECT_FALSE(fs::exists(old / "COMPLETE"));
  EXPECT_FALSE(fs::exists(at("epoch-00001-step-00000000")));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "a"}}));
}

TEST_F(Checkpoints, AFileThatAnOldOnesMarkNamesElsewhereStays) {
  folder_.write(0, 0, state("a"));
  std::ofstream(at("mine")) << "mine";
  std::ofstream(at("epoch-00000-step-00000000") / "COMPLETE") << R"({"state": "0", "../mine": "0"})";
  for (int epoch = 1; epoch < 4; ++epoch) folder_.write(epoch, 0, state("a"));
  EXPECT_EQ(read_file(at("mine")), "mine");
  EXPECT_FALSE(fs::exists(at("epoch-00000-step-00000000")));
}

TEST_F(Checkpoints, AFileOfTheUsersInAnUnfinishedOneOfTheSamePositionStays) {
  const fs::path position = at("epoch-00001-step-00000000");
  fs::create_directories(position);
  std::ofstream(position / "state") << "half";
  std::ofstream(position / "notes.txt") << "mine";
  folder_.write(1, 0, state("b"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "b"}}));
  EXPECT_EQ(read_file(at("superseded-epoch-00001-step-00000000") / "notes.txt"), "mine");
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

TEST_F(Checkpoints, AMarkThatListsNothingOrAnotherPlaceIsDamage) {
  for (const char* mark : {"{}", "[]", "3", R"({"../other/state": "0"})", R"({"state": 1})"}) {
    folder_.write(1, 0, state("a"));
    std::ofstream(at("epoch-00001-step-00000000") / "COMPLETE") << mark;
    EXPECT_FALSE(newest().has_value()) << mark;
  }
  EXPECT_EQ(passed_over_.size(), 5U);
}

TEST_F(Checkpoints, ADamagedOneIsNamedAndMovedAside) {
  folder_.write(1, 0, state("a"));
  damage("epoch-00001-step-00000000");
  EXPECT_FALSE(newest().has_value());
  ASSERT_EQ(passed_over_.size(), 1U);
  EXPECT_NE(passed_over_[0].find("epoch-00001-step-00000000 cannot be used: state is damaged"), std::string::npos);
  EXPECT_NE(passed_over_[0].find("damaged-epoch-00001-step-00000000"), std::string::npos);
  EXPECT_FALSE(fs::exists(at("epoch-00001-step-00000000")));
  EXPECT_EQ(read_file(at("damaged-epoch-00001-step-00000000") / "state"), "damaged");
  EXPECT_FALSE(newest().has_value());
  EXPECT_EQ(passed_over_.size(), 1U) << "what was moved aside was taken for a checkpoint";
}

TEST_F(Checkpoints, WhatIsMovedAsideReplacesNothing) {
  for (int time = 0; time < 3; ++time) {
    folder_.write(1, 0, state("a"));
    std::ofstream(at("epoch-00001-step-00000000") / "state") << time;
    EXPECT_FALSE(newest().has_value());
  }
  EXPECT_EQ(read_file(at("damaged-epoch-00001-step-00000000") / "state"), "0");
  EXPECT_EQ(read_file(at("damaged-epoch-00001-step-00000000-2") / "state"), "1");
  EXPECT_EQ(read_file(at("damaged-epoch-00001-step-00000000-3") / "state"), "2");
}

TEST_F(Checkpoints, WhatIsWrittenAfterDamagedOnesStays) {
  folder_.write(7, 0, state("a"));
  folder_.write(8, 0, state("b"));
  damage("epoch-00007-step-00000000");
  damage("epoch-00008-step-00000000");
  EXPECT_FALSE(newest().has_value());
  folder_.write(0, 5, state("c"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "c"}}));
}

TEST_F(Checkpoints, ALaterOneThanWhatIsWrittenDoesNotCountAsNewer) {
  folder_.write(7, 0, state("a"));
  folder_.write(8, 0, state("b"));
  folder_.write(1, 0, state("c"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "c"}}));
  EXPECT_TRUE(fs::exists(at("superseded-epoch-00008-step-00000000")));
}

TEST_F(Checkpoints, ADamagedOneOfTheSamePositionIsWrittenAgain) {
  folder_.write(1, 0, state("b"));
  damage("epoch-00001-step-00000000");
  folder_.write(1, 0, state("c"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "c"}}));
  EXPECT_TRUE(fs::exists(at("damaged-epoch-00001-step-00000000")));
}

TEST_F(Checkpoints, AnUnfinishedOneOfTheSamePositionIsWrittenAgain) {
  folder_.write(1, 0, state("b"));
  fs::remove(at("epoch-00001-step-00000000") / "COMPLETE");
  folder_.write(1, 0, state("c"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "c"}}));
}

TEST_F(Checkpoints, FoldersOfOthersAreNeitherReadNorRemoved) {
  const std::vector<const char*> others = {"epoch-best", "epoch-00001-step-00000000-copy", "epoch-1-step-0",
                                           "epoch-00001", "notes"};
  for (const char* name : others) {
    fs::create_directories(at(name));
    std::ofstream(at(name) / "COMPLETE") << "{}";
  }
  EXPECT_FALSE(newest().has_value());
  for (int epoch = 0; epoch < 5; ++epoch) folder_.write(epoch, 0, state("a"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "a"}}));
  EXPECT_TRUE(passed_over_.empty());
  for (const char* name : others) EXPECT_TRUE(fs::exists(at(name) / "COMPLETE")) << name;
}

TEST_F(Checkpoints, SortByTheirNumbersBeyondFiveDigits) {
  folder_.write(99999, 0, state("a"));
  folder_.write(100000, 0, state("b"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "b"}}));
  folder_.write(100000, 123456789, state("c"));
  EXPECT_EQ(newest(), (CheckpointFiles{{"state", "c"}}));
  EXPECT_FALSE(fs::exists(at("epoch-99999-step-00000000")));
}

TEST(CheckpointNames, AreReadBackExactlyOrNotAtAll) {
  for (const CheckpointPosition position : {CheckpointPosition{0, 0}, {3, 12}, {100000, 123456789}})
    EXPECT_EQ(parse_checkpoint_name(checkpoint_name(position)), position);
  for (const char* name :
       {"", "epoch-", "epoch-00001-step-", "epoch-000001-step-00000000", "epoch-00001-step-0000000x",
        "epoch-99999999999-step-00000000", "epoch--0001-step-00000000", "damaged-epoch-00001-step-00000000"})
    EXPECT_FALSE(parse_checkpoint_name(name).has_value()) << name;
}

}  // namespace

}  // namespace fer_ddp
