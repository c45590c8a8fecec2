// The real fer2013.csv, which no repository may hold: set FER2013_CSV to your copy of it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "comm/identity_communicator.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

class RealFile : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("FER2013_CSV") == nullptr)
      GTEST_SKIP() << "FER2013_CSV is not set to the path of fer2013.csv (301,072,766 bytes, md5 f8428a1e...)";
  }

  Dataset import(SplitRule rule) {
    RunLog log(true);
    const PreprocessOptions options{
        .input = std::getenv("FER2013_CSV"), .output = folder_ / "shards", .split_rule = rule};
    preprocess(options, *communicator_, log);
    return load_dataset(folder_ / "shards", *communicator_);
  }

  TemporaryFolder folder_;
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
};

TEST_F(RealFile, TheSeedSplitHasTheStudysSizes) {
  const Dataset dataset = import(SplitRule::kSeed);
  EXPECT_EQ(dataset.manifest().source.bytes, 301072766);
  EXPECT_EQ(dataset.split(Split::kTrain).size(), 25120);
  EXPECT_EQ(dataset.split(Split::kValidation).size(), 7179);
  EXPECT_EQ(dataset.split(Split::kTest).size(), 3588);
  ClassCounts all{};
  for (const Split split : kSplits) {
    for (size_t label = 0; label < all.size(); ++label) all[label] += dataset.manifest().class_counts[split][label];
  }
  EXPECT_EQ(all, (ClassCounts{4953, 547, 5121, 8989, 6077, 4002, 6198}));
}

TEST_F(RealFile, TheOfficialSplitHasThePublishedClassCountsAndPixels) {
  const Dataset dataset = import(SplitRule::kOfficial);
  const Manifest& manifest = dataset.manifest();
  EXPECT_EQ(manifest.class_counts[Split::kTrain], (ClassCounts{3995, 436, 4097, 7215, 4830, 3171, 4965}));
  EXPECT_EQ(manifest.class_counts[Split::kValidation], (ClassCounts{467, 56, 496, 895, 653, 415, 607}));
  EXPECT_EQ(manifest.class_counts[Split::kTest], (ClassCounts{491, 55, 528, 879, 594, 416, 626}));
  EXPECT_NEAR(majority_share(manifest.class_counts[Split::kTest]), 0.245, 0.001);

  double sum = 0;
  for (const uint8_t pixel : dataset.split(Split::kTrain).images) sum += pixel;
  EXPECT_NEAR(sum / 255 / (28709.0 * kImagePixels), 0.50774, 0.00001);
}

// Known of the data: 288 rows of PrivateTest and 280 of PublicTest stand in Training as well.
TEST_F(RealFile, TheOfficialSplitHoldsCopiesOfTrainingRows) {
  const Dataset dataset = import(SplitRule::kOfficial);
  EXPECT_EQ(dataset.copies(Split::kValidation).size(), 280U);
  EXPECT_EQ(dataset.copies(Split::kTest).size(), 288U);
  EXPECT_TRUE(dataset.copies(Split::kTrain).empty());
}

}  // namespace
}  // namespace fer_ddp
