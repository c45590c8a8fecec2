#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "core/run_layout.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class RunLayout : public ::testing::Test {
 protected:
  fs::path make(const std::string& name) {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "x";
    return path;
  }
  [[nodiscard]] bool there(const std::string& name) const { return fs::exists(folder_.path() / name); }
  std::vector<fs::path> remove(const char* name) {
    return remove_entry(folder_.path() / name, *find_entry(run_layout(), name));
  }

  TemporaryFolder folder_;
};

TEST_F(RunLayout, KnowsItsNamesAndNoOthers) {
  for (const char* name : {"config.json", "events.out.tfevents.17.host.1.0", "checkpoints", ".fer-ddp-run"})
    EXPECT_NE(find_entry(run_layout(), name), nullptr) << name;
  for (const char* name : {"notes.txt", "my-config.json", "config.json.bak", "events.out", "faces.csv"})
    EXPECT_EQ(find_entry(run_layout(), name), nullptr) << name;
}

TEST_F(RunLayout, KnowsWhatItsUnfinishedWritesAreCalled) {
  for (const char* name : {".config.json.partial", ".shards.partial", "..shards.partial.partial",
                           ".shards.replaced.partial", ".shards.claim.partial"})
    EXPECT_TRUE(is_unfinished(run_layout(), name)) << name;
  for (const char* name : {"config.json", ".notes.txt.partial", ".partial", "config.json.partial", ".config.json"})
    EXPECT_FALSE(is_unfinished(run_layout(), name)) << name;
}

TEST_F(RunLayout, AFolderGoesWithAllThatIsListed) {
  make("checkpoints/epoch-00001-step-00000000/COMPLETE");
  make("checkpoints/epoch-00001-step-00000000/state.json");
  make("checkpoints/.epoch-00002-step-00000000.partial/.state.json.partial");
  EXPECT_TRUE(remove("checkpoints").empty());
  EXPECT_FALSE(there("checkpoints"));
}

TEST_F(RunLayout, WhatIsNotListedStaysAndIsNamed) {
  const fs::path notes = make("checkpoints/epoch-00001-step-00000000/notes.txt");
  make("checkpoints/epoch-00001-step-00000000/state.json");
  make("checkpoints/epoch-00002-step-00000000/state.json");
  EXPECT_THAT(remove("checkpoints"), ElementsAre(notes));
  EXPECT_TRUE(fs::exists(notes));
  EXPECT_FALSE(there("checkpoints/epoch-00001-step-00000000/state.json"));
  EXPECT_FALSE(there("checkpoints/epoch-00002-step-00000000"));
}

TEST_F(RunLayout, AUsersCopyOfACheckpointStays) {
  const fs::path best = make("checkpoints/epoch-best/state.json");
  const fs::path copy = make("checkpoints/epoch-00001-step-00000000-copy/state.json");
  make("checkpoints/damaged-epoch-00001-step-00000000-2/state.json");
  make("checkpoints/superseded-epoch-100000-step-00000000/state.json");
  EXPECT_THAT(remove("checkpoints"), ::testing::UnorderedElementsAre(best.parent_path(), copy.parent_path()));
  EXPECT_TRUE(fs::exists(best));
  EXPECT_TRUE(fs::exists(copy));
  EXPECT_FALSE(there("checkpoints/damaged-epoch-00001-step-00000000-2"));
  EXPECT_FALSE(there("checkpoints/superseded-epoch-100000-step-00000000"));
}

TEST_F(RunLayout, ALinkIsTheUsers) {
  const fs::path shard = make("elsewhere/shard-00000-of-00001.h5");
  fs::create_directory_symlink(shard.parent_path(), folder_.path() / "shards");
  EXPECT_THAT(remove("shards"), ElementsAre(folder_.path() / "shards"));
  EXPECT_TRUE(fs::exists(shard));
}

TEST_F(RunLayout, UnfinishedWritesAreRemovedAndNothingElse) {
  make(".result.json.partial");
  make("checkpoints/.epoch-00002-step-00000000.partial/state.json");
  make("checkpoints/epoch-00001-step-00000000/state.json");
  make("teachers/1/.model.safetensors.partial");
  make("teachers/1/network.json");
  make("teachers/mine/.model.safetensors.partial");
  make(".notes.partial");
  remove_unfinished(folder_.path());
  EXPECT_FALSE(there(".result.json.partial"));
  EXPECT_FALSE(there("checkpoints/.epoch-00002-step-00000000.partial"));
  EXPECT_TRUE(there("checkpoints/epoch-00001-step-00000000/state.json"));
  EXPECT_FALSE(there("teachers/1/.model.safetensors.partial"));
  EXPECT_TRUE(there("teachers/1/network.json"));
  EXPECT_TRUE(there("teachers/mine/.model.safetensors.partial"));
  EXPECT_TRUE(there(".notes.partial"));
}

}  // namespace

}  // namespace fer_ddp
