// The preview's images against ShareImages on the whole split, as the trainer asks it; from shards and from the input
// file alike.
#include <gtest/gtest.h>

#include <algorithm>

#include "comm/identity_communicator.h"
#include "core/augmentation_options.h"
#include "data/batch_preview.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/share_images.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

constexpr int kRows = 230;  // 161 of them are training's

class FirstBatch : public ::testing::Test {
 protected:
  FirstBatch() {
    write_text(folder_ / "fer2013.csv", made_csv(kRows));
    manifest_ =
        preprocess({.input = folder_ / "fer2013.csv", .output = folder_ / "shards", .shards = 3}, *communicator_, log_);
    config_.augment = AugmentPreset::kFull;
    config_.augment_mixup = 1;
    config_.augment_cutmix = 1;
    config_.batch_size = 50;
    config_.random_seed = 5;
  }

  // From the shards.
  [[nodiscard]] BatchPreview preview(PixelScale scale, int epoch, int64_t images) const {
    return preview_first_batch(training_rows(folder_ / "shards", manifest_), config_, scale, epoch, images);
  }

  // Out of the split in memory.
  void expect_those_of_training(const BatchPreview& found, PixelScale scale, int epoch) {
    const Dataset dataset = load_dataset(folder_ / "shards", *communicator_);
    const SplitView& split = dataset.split(Split::kTrain);
    const std::vector<int32_t> order = epoch_order(split.size(), config_.shuffle, 5, epoch);
    const auto batch_images = static_cast<size_t>(std::min<int64_t>(split.size(), config_.batch_size));
    const std::span<const int32_t> batch = std::span(order).first(batch_images);
    const BatchShare share{.images = split.images,
                           .labels = split.labels,
                           .rows = batch,
                           .global_images = static_cast<int64_t>(batch.size()),
                           .epoch = epoch,
                           .batch_rows = batch,
                           .recipe = image_recipe(config_, epoch)};
    const ShareImages images(share, scale, 0);
    EXPECT_EQ(found.mixing.is_on(), images.is_mixed());
    EXPECT_EQ(found.batch_images, share.global_images);
    std::vector<float> values(kImagePixels);
    for (size_t i = 0; i < found.seen.size(); ++i) {
      ASSERT_TRUE(std::equal(found.stored[i].begin(), found.stored[i].end(),
                             split.images.begin() + int64_t{batch[i]} * kImagePixels));
      images.write(static_cast<int64_t>(i), values.data());
      for (size_t pixel = 0; pixel < values.size(); ++pixel)
        ASSERT_EQ(found.seen[i].at(pixel), grey_of(scale, values[pixel])) << "image " << i << ", pixel " << pixel;
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
  RunLog log_{true};
  Manifest manifest_;
  Config config_;
};

TEST_F(FirstBatch, HasTheImagesThatTrainingTakesOfIt) {
  bool blended = false;
  bool cut = false;
  for (int epoch = 0; epoch < 8; ++epoch) {
    for (const PixelScale scale : {PixelScale::kUnit, PixelScale::kStandardizeImage}) {
      const BatchPreview found = preview(scale, epoch, 50);
      ASSERT_EQ(found.seen.size(), 50U);
      expect_those_of_training(found, scale, epoch);
      if (found.mixing.is_on()) (found.mixing.is_cut ? cut : blended) = true;
    }
  }
  EXPECT_TRUE(blended);
  EXPECT_TRUE(cut);
}

TEST_F(FirstBatch, OfFewerImagesIsItsBeginning) {
  const BatchPreview whole = preview(PixelScale::kUnit, 1, 50);
  const BatchPreview few = preview(PixelScale::kUnit, 1, 7);
  ASSERT_EQ(few.seen.size(), 7U);
  EXPECT_EQ(few.batch_images, 50);
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(few.seen[i], whole.seen[i]);
}

TEST_F(FirstBatch, IsNoLargerThanTheSplit) {
  config_.batch_size = 1000;
  const BatchPreview found = preview(PixelScale::kUnit, 0, 1000);
  EXPECT_EQ(found.seen.size(), 161U);
  expect_those_of_training(found, PixelScale::kUnit, 0);
}

TEST_F(FirstBatch, InTheRowsOrderIsTheFirstRows) {
  config_.shuffle = false;
  expect_those_of_training(preview(PixelScale::kUnit, 3, 50), PixelScale::kUnit, 3);
}

TEST_F(FirstBatch, IsTheSameOfTheInputFileAsOfShards) {
  const auto importer = open_importer(folder_ / "fer2013.csv", folder_.path(), 1, *communicator_);
  const SplitRows rows = split_rows(*importer, SplitRule::kSeed, folder_ / "fer2013.csv");
  const BatchPreview of_file =
      preview_first_batch(training_rows(*importer, rows[Split::kTrain]), config_, PixelScale::kUnit, 2, 50);
  const BatchPreview of_shards = preview(PixelScale::kUnit, 2, 50);
  EXPECT_EQ(of_file.stored, of_shards.stored);
  EXPECT_EQ(of_file.seen, of_shards.seen);
}

TEST_F(FirstBatch, ShowsItsImagesAsTheyAreWhereNothingChangesThem) {
  config_.augment = AugmentPreset::kNone;
  config_.augment_mixup.reset();
  config_.augment_cutmix.reset();
  const BatchPreview found = preview(PixelScale::kUnit, 0, 50);
  EXPECT_EQ(found.seen, found.stored);
}

TEST_F(FirstBatch, OfADamagedShardIsRefused) {
  const auto path = folder_ / "shards" / "shard-00001-of-00003.h5";
  std::string content = read_file(path);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  write_text(path, content);
  const Error error = error_of([&] { static_cast<void>(preview(PixelScale::kUnit, 0, 50)); });
  EXPECT_EQ(error.exit_code(), 2);
}

TEST(Grey, OfUnitInputIsThePixelItself) {
  for (int pixel = 0; pixel < 256; ++pixel)
    EXPECT_EQ(grey_of(PixelScale::kUnit, static_cast<float>(pixel) / 255.0F), pixel);
  EXPECT_EQ(grey_of(PixelScale::kUnit, -0.1F), 0);
  EXPECT_EQ(grey_of(PixelScale::kUnit, 1.1F), 255);
}

TEST(Grey, OfStandardizedInputIsMidGreyAtItsMean) {
  EXPECT_EQ(grey_of(PixelScale::kStandardizeImage, 0), 128);
  EXPECT_EQ(grey_of(PixelScale::kStandardizeImage, -2.5F), 0);
  EXPECT_EQ(grey_of(PixelScale::kStandardizeImage, 2.5F), 255);
  EXPECT_EQ(grey_of(PixelScale::kStandardizeImage, 1), 179);
  EXPECT_EQ(grey_of(PixelScale::kStandardizeImage, -9), 0);
}

TEST(ChangeWords, SayWhatABatchIsMixedWith) {
  EXPECT_EQ(change_words({}, {}), "");
  const ImageRecipe recipe{.augmentation = {.flip = 0.5, .mixup = 1}};
  EXPECT_EQ(change_words(recipe, {}), "flip 50 %, mixup 1");
  EXPECT_EQ(change_words(recipe, {.weight = 0.75F}),
            "flip 50 %, mixup 1; in this batch each image is blended with 25 % of the image before it");
  EXPECT_EQ(change_words(recipe, {.weight = 0.75F, .is_cut = true}),
            "flip 50 %, mixup 1; in this batch 25 % of each image, a rectangle, is of the image before it");
}

}  // namespace
}  // namespace fer_ddp
