// Folders that are written aside: one process at a time makes an output, and nobody's work is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/identity_communicator.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/staging_folder.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Staging : public ::testing::Test {
 protected:
  Staging() { write_text(folder_ / "input.csv", made_csv(20)); }

  void preprocess_into(const fs::path& output) {
    RunLog log(true);
    preprocess({.input = folder_ / "input.csv", .output = output}, *communicator_, log);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
};

TEST_F(Staging, AFolderThatAnotherProcessWritesIsRefused) {
  const std::string before = folder_content(folder_.path());
  {
    const StagingFolder other(folder_ / "new" / "shards", false, *communicator_);
    write_text(other.path() / "shard-00000-of-00001.h5", "its");
    const Error error = error_of([&] { preprocess_into(folder_ / "new" / "shards"); });
    EXPECT_THAT(error.what(), HasSubstr("new/shards: another process is writing it (process "));
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_EQ(read_file(other.path() / "shard-00000-of-00001.h5"), "its");
  }
  EXPECT_EQ(folder_content(folder_.path()), before);
}

TEST_F(Staging, TheClaimOfAKilledProcessIsNoObstacle) {
  LeaseHolder ended = new_holder();
  ended.process.start = "1";  // this process number had another one then
  const RunLease lease(folder_ / ".shards.claim.partial", {}, ended);
  preprocess_into(folder_ / "shards");
  EXPECT_EQ(load_dataset(folder_ / "shards", *communicator_).manifest().source.rows, 20);
  EXPECT_FALSE(fs::exists(folder_ / ".shards.claim.partial"));
}

TEST_F(Staging, WhatHasComeToTheOutputMeanwhileIsNotReplaced) {
  StagingFolder staging(folder_ / "shards", true, *communicator_);
  fs::create_directory(folder_ / "shards");
  write_text(folder_ / "shards" / "thesis.tex", "years of work");
  EXPECT_THAT(error_of([&] { staging.publish(); }).what(), HasSubstr("thesis.tex"));
  EXPECT_EQ(folder_content(folder_ / "shards"), "thesis.tex\nyears of work");
}

TEST_F(Staging, AScratchFolderIsOneOfItsOwnAndGoes) {
  const std::string before = folder_content(folder_.path());
  // Whichever goes first: a parent that one of them made would outlive it for the other's sake, and then stay.
  auto one = std::make_unique<ScratchFolder>(folder_ / "runs" / "exp.lr-find", *communicator_);
  auto other = std::make_unique<ScratchFolder>(folder_ / "runs" / "exp.lr-find", *communicator_);
  EXPECT_NE(one->path(), other->path());
  EXPECT_TRUE(fs::is_directory(one->path()) && fs::is_directory(other->path()));
  one.reset();
  EXPECT_TRUE(fs::is_directory(other->path()));
  other.reset();
  EXPECT_EQ(folder_content(folder_.path()), before);
}

}  // namespace
}  // namespace fer_ddp
