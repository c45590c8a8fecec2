// Every way in which a folder of shards can be damaged is found, by `verify` as by training, and the damaged file is
// named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "comm/identity_communicator.h"
#include "core/checksum.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/shard_file.h"
#include "data/verify.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class VerifyShards : public ::testing::Test {
 protected:
  void SetUp() override {
    write_text(folder_ / "fer2013.csv", made_csv(160));
    manifest_ = preprocess({.input = folder_ / "fer2013.csv", .output = shards_}, *communicator_, log_);
  }

  void expect_error(const std::string& file, const std::string& reason) {
    const std::vector<std::function<void()>> readers = {[&] { verify_shards(shards_, *communicator_); },
                                                        [&] { (void)load_dataset(shards_, *communicator_); }};
    for (const auto& read : readers) {
      const Error error = error_of(read);
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_THAT(error.what(), StartsWith(file.empty() ? shards_.string() : (shards_ / file).string()));
      EXPECT_THAT(error.what(), HasSubstr(reason));
      EXPECT_NE(error.advice(), "");
    }
  }

  void change(const std::string& file, const std::function<void(std::string&)>& edit) {
    std::string content = read_file(shards_ / file);
    edit(content);
    write_text(shards_ / file, content);
  }

  TemporaryFolder folder_;
  fs::path shards_ = folder_ / "shards";
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
  RunLog log_{true};
  Manifest manifest_;
};

constexpr auto kShard = "shard-00001-of-00004.h5";

TEST_F(VerifyShards, SoundShardsPass) { EXPECT_EQ(verify_shards(shards_, *communicator_), manifest_); }

TEST_F(VerifyShards, ATruncatedShardIsNamed) {
  fs::resize_file(shards_ / kShard, 1000);
  expect_error(kShard, ": has 1,000 bytes, manifest.json says ");
}

TEST_F(VerifyShards, AFlippedByteAnywhereInAShardIsFound) {
  const size_t size = read_file(shards_ / kShard).size();
  for (const size_t at : {size_t{0}, size / 4, size / 2, size - 1}) {
    change(kShard, [&](std::string& content) { content[at] = static_cast<char>(content[at] ^ 1); });
    expect_error(kShard, ": is damaged: its checksum is not the one in manifest.json");
    change(kShard, [&](std::string& content) { content[at] = static_cast<char>(content[at] ^ 1); });
  }
}

TEST_F(VerifyShards, AMissingShardIsNamed) {
  fs::remove(shards_ / kShard);
  expect_error(kShard, ": is missing");
}

TEST_F(VerifyShards, SwappedShardsAreTold) {
  // Both hold as many rows of each split, so that their sizes are the same.
  fs::rename(shards_ / "shard-00001-of-00004.h5", shards_ / "x");
  fs::rename(shards_ / "shard-00003-of-00004.h5", shards_ / "shard-00001-of-00004.h5");
  fs::rename(shards_ / "x", shards_ / "shard-00003-of-00004.h5");
  expect_error("shard-00001-of-00004.h5", ": holds what belongs into shard-00003-of-00004.h5");
}

TEST_F(VerifyShards, AMissingManifestIsSaid) {
  fs::remove(shards_ / "manifest.json");
  EXPECT_TRUE(is_shard_folder(shards_));
  expect_error("", ": has no manifest.json");
}

TEST_F(VerifyShards, AMissingFolderIsSaid) {
  fs::remove_all(shards_);
  EXPECT_FALSE(is_shard_folder(shards_));
  expect_error("", ": no such folder");
}

TEST_F(VerifyShards, ANewerFormatIsNotGuessedAt) {
  change("manifest.json",
         [](std::string& text) { text.replace(text.find("\"format_version\": 1"), 19, "\"format_version\": 2"); });
  expect_error("manifest.json", ": has format version 2, this fer-ddp reads up to 1");
}

TEST_F(VerifyShards, AnEditedManifestIsTold) {
  change("manifest.json", [](std::string& text) { text.replace(text.find("fer2013"), 7, "fer2014"); });
  expect_error("manifest.json", ": is damaged or was edited");
}

TEST_F(VerifyShards, AManifestThatIsNotJsonIsTold) {
  for (const std::string content : {"", "{", "[]", "null", "\"text\"", "{\"format\": 1}", "\xFF\xFE"}) {
    write_text(shards_ / "manifest.json", content);
    expect_error("manifest.json", ": is ");
  }
}

TEST_F(VerifyShards, ManifestAndShardsOfDifferentSourcesAreToldApart) {
  write_text(folder_ / "other.csv", made_csv(163));
  preprocess({.input = folder_ / "other.csv", .output = folder_ / "other"}, *communicator_, log_);
  fs::copy_file(folder_ / "other" / "manifest.json", shards_ / "manifest.json", fs::copy_options::overwrite_existing);
  expect_error("shard-00000-of-00004.h5", "manifest.json");
}

// A manifest whose own checksum is right, but which says something untrue.
TEST_F(VerifyShards, AManifestThatContradictsItselfOrTheShardsIsTold) {
  const auto expect_refused = [&](const std::function<void(Manifest&)>& edit, const std::string& file,
                                  const std::string& reason) {
    Manifest wrong = manifest_;
    edit(wrong);
    write_text(shards_ / "manifest.json", manifest_text(wrong));
    expect_error(file, reason);
  };
  expect_refused([](Manifest& wrong) { wrong.shards[0].file = "../shard"; }, "manifest.json",
                 ": lists ../shard in the place of ");
  expect_refused([](Manifest& wrong) { --wrong.shards[2].rows[Split::kTest]; }, "manifest.json",
                 ": contradicts itself about ");
  expect_refused([](Manifest& wrong) { wrong.shards.clear(); }, "manifest.json",
                 ": lists no possible number of shards");
  expect_refused([](Manifest& wrong) { wrong.class_counts[Split::kTrain][6] = int64_t{1} << 62; }, "manifest.json",
                 ": says an impossible number of rows");
  expect_refused(
      [](Manifest& wrong) {
        wrong.class_counts[Split::kTrain][0] -= 1000;
        wrong.class_counts[Split::kTrain][1] += 1000;
      },
      "manifest.json", ": says an impossible number of rows");
  expect_refused([](Manifest& wrong) { wrong.class_names[0] = "Smug"; }, "manifest.json", ": describes other classes");
  expect_refused(
      [](Manifest& wrong) {
        ++wrong.class_counts[Split::kTrain][0];
        --wrong.class_counts[Split::kTrain][1];
      },
      "", ": the labels of train are not as many of each class as manifest.json says");
}

// Memory is taken for as many rows as the manifest says: no more than its files could hold, and files of that size are
// there.
TEST_F(VerifyShards, MoreRowsThanTheFilesCouldHoldAreRefusedBeforeMemoryIsTaken) {
  Manifest wrong = manifest_;
  for (const Split split : kSplits) {
    wrong.class_counts[split] = {};
    wrong.class_counts[split][0] = 400'000'000;  // 2.8 TB of images
    for (ShardEntry& shard : wrong.shards) shard.rows[split] = 100'000'000;
  }
  write_text(shards_ / "manifest.json", manifest_text(wrong));
  expect_error("manifest.json", ": says more rows of shard-00000-of-00004.h5 than fit into its ");
  for (ShardEntry& shard : wrong.shards) shard.bytes = 1'000'000'000'000;
  write_text(shards_ / "manifest.json", manifest_text(wrong));
  expect_error("shard-00000-of-00004.h5", " bytes, manifest.json says 1,000,000,000,000");
}

// What the library is made to read is what was written: it is never asked about another file.
TEST_F(VerifyShards, AReaderOpensAShardOnlyWhereItsChecksumIsTheManifests) {
  change(kShard, [](std::string& content) {
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  });
  const Error error = error_of([&] { static_cast<void>(ShardReader(shards_, manifest_, 1)); });
  EXPECT_THAT(error.what(), HasSubstr(": is damaged: its checksum is not the one in manifest.json"));
}

TEST_F(VerifyShards, AnotherFileOfTheRightChecksumIsNoShard) {
  Manifest wrong = manifest_;
  const std::string other = std::string(static_cast<size_t>(wrong.shards[1].bytes), '?');  // not HDF5
  write_text(shards_ / kShard, other);
  wrong.shards[1].checksum = checksum(std::string_view(other));
  write_text(shards_ / "manifest.json", manifest_text(wrong));
  expect_error(kShard, ": is damaged: ");
}

}  // namespace
}  // namespace fer_ddp
