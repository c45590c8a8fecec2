// Preprocessing and loading by several ranks: the bytes, the images and the errors are those of one process alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>

#include "comm/agreement.h"
#include "comm/identity_communicator.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/verify.h"
#include "tests/data_fixtures.h"
#include "tests/mpi/world.h"
#include "tests/picture_fixtures.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PreprocessTogether : public ::testing::Test {
 protected:
  void SetUp() override {
    if (world_communicator().rank() == 0) own_folder_ = std::make_unique<TemporaryFolder>();
    folder_ = broadcast_text(world_communicator(), own_folder_ ? own_folder_->path().string() : "");
  }
  void TearDown() override { world_communicator().barrier(); }  // before rank 0 removes the folder

  [[nodiscard]] fs::path input(const std::string& content) const {
    if (own_folder_) write_text(folder_ / "fer2013.csv", content);
    world_communicator().barrier();
    return folder_ / "fer2013.csv";
  }

  // On rank 0, whether shards made by all ranks and by rank 0 alone are the same to the byte.
  void expect_bytes_of_one_process(PreprocessOptions options) {
    options.output = folder_ / "together";
    options.overwrite = true;
    RunLog log(true);
    preprocess(options, world_communicator(), log);
    if (own_folder_) {
      options.output = folder_ / "alone";
      preprocess(options, *make_identity_communicator(), log);
      EXPECT_TRUE(folder_content(folder_ / "together") == folder_content(folder_ / "alone"));
    }
    world_communicator().barrier();
  }

  // Every rank throws the same Error; its text and advice.
  void expect_agreed_error(const std::function<void()>& work, const std::string& expected) {
    std::string message;
    try {
      work();
    } catch (const AgreedError& error) {
      message = error.message();
    }
    EXPECT_THAT(message, HasSubstr(expected));
    for (const std::string& other : world_communicator().all_gather(message)) EXPECT_EQ(other, message);
  }

  std::unique_ptr<TemporaryFolder> own_folder_;  // on rank 0
  fs::path folder_;
};

TEST_F(PreprocessTogether, TheBytesDoNotDependOnTheRanks) {
  const fs::path csv = input(made_csv(2500));  // several blocks of 4 MiB
  for (const int shards : {1, 3, 4}) {
    for (const SplitRule rule : {SplitRule::kSeed, SplitRule::kOfficial})
      expect_bytes_of_one_process({.input = csv, .shards = shards, .split_rule = rule});
  }
}

TEST_F(PreprocessTogether, TheBytesOfPicturesDoNotDependOnTheRanks) {
  if (own_folder_) {
    for (int row = 0; row < 200; ++row) {
      RawPicture picture{kImageSide, kImageSide, 1, {}};
      for (int pixel = 0; pixel < kImagePixels; ++pixel) picture.samples.push_back(made_pixel(row, pixel));
      const fs::path path = folder_ / "faces" / kExpressionNames[static_cast<size_t>(made_label(row))] /
                            fmt::format("{}_{}.png", made_usage(row, 200), row);
      fs::create_directories(path.parent_path());
      write_text(path, encode_png(picture));
    }
  }
  world_communicator().barrier();
  for (const SplitRule rule : {SplitRule::kSeed, SplitRule::kOfficial})
    expect_bytes_of_one_process({.input = folder_ / "faces", .split_rule = rule, .threads = 2});
  if (own_folder_) {
    write_text(folder_ / "faces" / "Angry" / "PrivateTest_7.png", "nothing");
    write_text(folder_ / "faces" / "Happy" / "Training_33.png", "nothing");
  }
  world_communicator().barrier();
  RunLog log(true);
  expect_agreed_error(
      [&] { preprocess({.input = folder_ / "faces", .output = folder_ / "shards"}, world_communicator(), log); },
      "faces/Happy/Training_33.png: is not a picture of a known kind");
}

TEST_F(PreprocessTogether, FewerRowsThanRanksOrShardsAreNoProblem) {
  expect_bytes_of_one_process({.input = input(made_csv(2)), .shards = 9});
}

TEST_F(PreprocessTogether, TheImagesAreThoseOfTheSource) {
  RunLog log(true);
  preprocess({.input = input(made_csv(300)), .output = folder_ / "shards", .shards = 5}, world_communicator(), log);
  const Dataset dataset = load_dataset(folder_ / "shards", world_communicator());
  int row = 0;
  for (const Split split : kSplits) {
    for (int64_t i = 0; i < dataset.split(split).size(); ++i, ++row) {
      EXPECT_EQ(dataset.split(split).labels[static_cast<size_t>(i)], made_label(row));
      EXPECT_EQ(dataset.split(split).images[static_cast<size_t>(i * kImagePixels + row)], made_pixel(row, row));
    }
  }
  EXPECT_EQ(row, 300);
}

TEST_F(PreprocessTogether, TheLowestBrokenRowIsReportedWhereverTheOthersAre) {
  for (const auto& [first, second] : {std::pair{290, 5}, {150, 149}, {1, 299}, {211, 209}}) {
    std::string csv = "emotion,pixels,Usage\n";
    for (int row = 0; row < 300; ++row) {
      const std::string pixels = row == first || row == second ? "1 2 3" : made_pixels(row);
      csv +=
          fmt::format("{},{},{}\n", made_label(row), pixels, row == std::max(first, second) ? "Nothing" : "Training");
    }
    const fs::path path = input(csv);
    RunLog log(true);
    expect_agreed_error(
        [&] { preprocess({.input = path, .output = folder_ / "shards"}, world_communicator(), log); },
        fmt::format("fer2013.csv, row {}: 3 pixels, expected 2,304 (48 x 48)", std::min(first, second) + 1));
    EXPECT_FALSE(fs::exists(folder_ / "shards"));
    world_communicator().barrier();
  }
}

TEST_F(PreprocessTogether, WhatOneRankFindsAllRanksThrow) {
  RunLog log(true);
  expect_agreed_error(
      [&] { preprocess({.input = folder_ / "absent", .output = folder_ / "shards"}, world_communicator(), log); },
      "absent: cannot be read: No such file or directory");
  preprocess({.input = input(made_csv(300)), .output = folder_ / "shards"}, world_communicator(), log);
  if (own_folder_) fs::resize_file(folder_ / "shards" / "shard-00003-of-00004.h5", 100);
  world_communicator().barrier();
  expect_agreed_error([&] { verify_shards(folder_ / "shards", world_communicator()); },
                      "shard-00003-of-00004.h5: has 100 bytes");
  expect_agreed_error([&] { (void)load_dataset(folder_ / "shards", world_communicator()); },
                      "shard-00003-of-00004.h5: has 100 bytes");
}

TEST_F(PreprocessTogether, TheRealFileGivesTheSameBytes) {
  if (std::getenv("FER2013_CSV") == nullptr)
    GTEST_SKIP() << "FER2013_CSV is not set to the path of fer2013.csv (301,072,766 bytes, md5 f8428a1e...)";
  expect_bytes_of_one_process({.input = std::getenv("FER2013_CSV")});
}

}  // namespace
}  // namespace fer_ddp
