// A share's images and targets against the definition, one image at a time, with mixing written out again.
#include "data/share_images.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "data/affine_sample.h"
#include "data/image_views.h"
#include "tests/faces.h"

namespace fer_ddp {

namespace {

using Image = std::vector<float>;

constexpr int kCount = 6;
constexpr int64_t kBatchBegin = 18;  // positions in the epoch's order
constexpr double kSmoothing = 0.1;

struct Batch {
  Faces faces = Faces::noise(kCount);
  std::vector<int32_t> rows = {4, 2, 5, 0, 1, 3};
  ImageRecipe recipe{.seed = 3};

  // The images at [first, first + count) of the batch.
  [[nodiscard]] BatchShare share(int epoch, size_t first, size_t count) const {
    return {.images = faces.images,
            .labels = faces.labels,
            .rows = std::span(rows).subspan(first, count),
            .global_images = kCount,
            .first_position = kBatchBegin + static_cast<int64_t>(first),
            .batch_position = kBatchBegin,
            .epoch = epoch,
            .batch_rows = rows,
            .recipe = recipe};
  }
  [[nodiscard]] BatchMixing mixing(int epoch) const {
    return draw_batch_mixing(recipe.augmentation, recipe.seed, epoch, kBatchBegin);
  }
  [[nodiscard]] Image unmixed(int epoch, size_t place) const {
    Image image(kImagePixels);
    change_image(draw_image_change(recipe.augmentation, recipe.seed, epoch, kBatchBegin + static_cast<int64_t>(place)),
                 PixelScale::kStandardizeImage, faces.images.data() + rows.at(place) * kImagePixels, image.data());
    return image;
  }
  [[nodiscard]] int label(size_t place) const { return faces.labels.at(static_cast<size_t>(rows.at(place))); }
};

Image image_of(const ShareImages& images, int64_t index) {
  Image image(kImagePixels);
  images.write(index, image.data());
  return image;
}

std::array<float, kExpressionCount> target_of(const ShareImages& images, int64_t index) {
  std::array<float, kExpressionCount> target{};
  images.write_target(index, target.data());
  return target;
}

AugmentationOptions everything() {
  Config config;
  config.augment = AugmentPreset::kFull;
  config.augment_mixup = 1;
  config.augment_cutmix = 1;
  return augmentation_options(config);
}

TEST(ShareImages, AreTheBytesScaledWithoutARecipe) {
  const Batch batch;
  const BatchShare share = batch.share(0, 2, 3);
  const ShareImages images(share, PixelScale::kUnit, kSmoothing);
  EXPECT_EQ(images.count(), 3);
  EXPECT_FALSE(images.is_mixed());
  const uint8_t* bytes = batch.faces.images.data() + batch.rows[3] * kImagePixels;
  const Image image = image_of(images, 1);
  for (size_t i = 0; i < image.size(); ++i) ASSERT_EQ(image[i], static_cast<float>(bytes[i]) / 255.0F);
  EXPECT_EQ(images.label(1), batch.label(3));
  EXPECT_FLOAT_EQ(target_of(images, 1)[static_cast<size_t>(batch.label(3))], 0.9F + 0.1F / 7);
}

TEST(ShareImages, AreTheDefinitionsInEveryShareOfTheBatch) {
  Batch batch;
  batch.recipe.augmentation = everything();
  int blended = 0;
  int cut = 0;
  for (int epoch = 0; epoch < 12; ++epoch) {
    const BatchMixing mixing = batch.mixing(epoch);
    if (mixing.is_on()) ++(mixing.is_cut ? cut : blended);
    for (const auto& [first, count] : std::vector<std::pair<size_t, size_t>>{{0, 6}, {0, 2}, {2, 3}, {5, 1}}) {
      const BatchShare share = batch.share(epoch, first, count);
      const ShareImages images(share, PixelScale::kStandardizeImage, kSmoothing);
      EXPECT_EQ(images.is_mixed(), mixing.is_on());
      for (size_t index = 0; index < count; ++index) {
        const size_t place = first + index;
        const size_t partner = (place + kCount - 1) % kCount;
        const Image own = batch.unmixed(epoch, place);
        const Image other = batch.unmixed(epoch, partner);
        Image expected(kImagePixels);
        mix_images(mixing, own.data(), other.data(), expected.data());
        EXPECT_EQ(image_of(images, static_cast<int64_t>(index)), mixing.is_on() ? expected : own);
        EXPECT_EQ(images.label(static_cast<int64_t>(index)), batch.label(mixing.weight < 0.5F ? partner : place));
      }
    }
  }
  EXPECT_GT(blended, 0);
  EXPECT_GT(cut, 0);
}

TEST(ShareImages, TargetsAreThoseOfBothImagesAndAddUpToOne) {
  Batch batch;
  batch.recipe.augmentation.mixup = 1;
  for (int epoch = 0; epoch < 8; ++epoch) {
    const double weight = static_cast<double>(batch.mixing(epoch).weight);
    const BatchShare share = batch.share(epoch, 0, kCount);
    const ShareImages images(share, PixelScale::kUnit, kSmoothing);
    for (size_t place = 0; place < kCount; ++place) {
      std::array<double, kExpressionCount> expected{};
      expected.at(static_cast<size_t>(batch.label(place))) += 0.9 * weight;
      expected.at(static_cast<size_t>(batch.label((place + kCount - 1) % kCount))) += 0.9 * (1 - weight);
      const auto target = target_of(images, static_cast<int64_t>(place));
      double sum = 0;
      for (size_t k = 0; k < target.size(); ++k) {
        EXPECT_NEAR(target[k], expected[k] + 0.1 / 7, 1e-6);
        sum += static_cast<double>(target[k]);
      }
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  }
}

TEST(ShareImages, TargetsAreTheTeachersByTheirWeight) {
  Batch batch;
  batch.recipe.augmentation.mixup = 1;
  std::vector<float> said(size_t{kCount} * kExpressionCount);
  for (size_t i = 0; i < said.size(); ++i) said[i] = i % kExpressionCount == i / kExpressionCount ? 0.7F : 0.05F;
  const BatchShare share = batch.share(0, 0, kCount);
  const ShareImages alone(share, PixelScale::kUnit, kSmoothing);
  EXPECT_EQ(alone.has_targets(), alone.is_mixed());
  EXPECT_EQ(alone.target_sum(), 1);
  BatchShare share_at_one = share;
  share_at_one.teachers = {.probabilities = said, .weight = 0.3, .temperature = 1};
  const ShareImages at_one(share_at_one, PixelScale::kUnit, kSmoothing);
  BatchShare share_at_two = share_at_one;
  share_at_two.teachers.temperature = 2;
  const ShareImages at_two(share_at_two, PixelScale::kUnit, kSmoothing);
  EXPECT_TRUE(at_one.has_targets());
  EXPECT_FALSE(at_one.has_softened_part());
  EXPECT_EQ(at_one.target_sum(), 1);
  EXPECT_TRUE(at_two.has_softened_part());
  EXPECT_DOUBLE_EQ(at_two.target_sum(), 0.7);
  for (int64_t place = 0; place < kCount; ++place) {
    for (size_t k = 0; k < kExpressionCount; ++k) {
      const float own = 0.7F * target_of(alone, place)[k];
      const float theirs = said[static_cast<size_t>(place) * kExpressionCount + k];
      EXPECT_NEAR(target_of(at_one, place)[k], own + 0.3F * theirs, 1e-6);
      EXPECT_NEAR(target_of(at_two, place)[k], own, 1e-6);
      EXPECT_EQ(at_two.teachers_of(place)[k], theirs);
    }
    EXPECT_EQ(at_one.label(place), alone.label(place));
  }
}

TEST(ShareImages, WantWhatTeachersSayOfEachImage) {
  const Batch batch;
  BatchShare share = batch.share(0, 0, 2);
  const std::vector<float> said(kExpressionCount, 1.0F / 7);
  share.teachers = {.probabilities = said, .weight = 0.5};
  EXPECT_THROW(ShareImages(share, PixelScale::kUnit, 0), Error);
}

TEST(ShareImages, TakeTheRecipesShareOfTheSmoothing) {
  Batch batch;
  batch.recipe.smoothing_share = 0.5;
  const BatchShare share = batch.share(0, 0, 1);
  const ShareImages images(share, PixelScale::kUnit, kSmoothing);
  EXPECT_DOUBLE_EQ(images.label_smoothing(), 0.05);
  EXPECT_FLOAT_EQ(target_of(images, 0)[static_cast<size_t>(batch.label(0))], 0.95F + 0.05F / 7);
}

TEST(ImageViews, AreTheImageItsMirrorImageAndShiftsByThreePixels) {
  EXPECT_EQ(image_views(TestViews::kNone), std::vector<ImageView>(1));
  EXPECT_EQ(image_views(TestViews::kFlip), (std::vector<ImageView>{{}, {.mirrored = true}}));
  EXPECT_EQ(image_views(TestViews::kViews18).size(), 18U);
  const Faces faces = Faces::noise(1);
  Image whole(kImagePixels);
  scale_image(PixelScale::kStandardizeImage, faces.images.data(), whole.data());
  for (const ImageView& view : image_views(TestViews::kViews18)) {
    Image seen(kImagePixels);
    write_view(view, PixelScale::kStandardizeImage, faces.images.data(), seen.data());
    for (int y = 0; y < kImageSide; ++y) {
      for (int x = 0; x < kImageSide; ++x) {
        const int row = std::clamp(y + view.down, 0, 47);
        const int column = std::clamp((view.mirrored ? 47 - x : x) + view.across, 0, 47);
        ASSERT_EQ(seen[static_cast<size_t>(y * 48 + x)], whole[static_cast<size_t>(row * 48 + column)]);
      }
    }
  }
}

TEST(ShareImages, WantTheWholeBatchsRowsToMixThem) {
  Batch batch;
  batch.recipe.augmentation.mixup = 1;
  int epoch = 0;
  while (!batch.mixing(epoch).is_on()) ++epoch;
  BatchShare share = batch.share(epoch, 0, 2);
  share.batch_rows = {};
  EXPECT_THROW(ShareImages(share, PixelScale::kUnit, 0), Error);
}

}  // namespace

}  // namespace fer_ddp
