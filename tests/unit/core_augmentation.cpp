#include <gtest/gtest.h>

#include "core/augmentation_options.h"

namespace fer_ddp {

namespace {

TEST(AugmentationOptions, AreOffByDefault) {
  EXPECT_EQ(augmentation_options({}), AugmentationOptions{});
  EXPECT_FALSE(has_image_recipe({}));
  EXPECT_FALSE(has_image_recipe({.label_smoothing = 0.1}));
}

TEST(AugmentationOptions, AreThePresetsNumbersUnlessAKeyHasItsOwn) {
  Config config;
  config.augment = AugmentPreset::kFull;
  AugmentationOptions full{.flip = 0.5,
                           .rotation = 12,
                           .scale = 0.12,
                           .aspect = 0.08,
                           .shift = 4,
                           .contrast = 0.2,
                           .brightness = 0.2,
                           .erase_side = 16,
                           .erase_share = 0.5};
  EXPECT_EQ(augmentation_options(config), full);
  config.augment_rotation = 0;
  config.augment_mixup = 0.4;
  full.rotation = 0;
  full.mixup = 0.4;
  EXPECT_EQ(augmentation_options(config), full);
  config = {};
  config.augment_cutmix = 1;
  EXPECT_EQ(augmentation_options(config), AugmentationOptions{.cutmix = 1});
  config.augment = AugmentPreset::kMild;
  EXPECT_GT(augmentation_options(config).rotation, 0);
  EXPECT_EQ(augmentation_options(config).erase_share, 0);
}

TEST(AugmentationWords, NameWhatIsOnAndNothingElse) {
  EXPECT_EQ(augmentation_words({}), "");
  EXPECT_EQ(augmentation_words({.erase_side = 16}), "");
  EXPECT_EQ(augmentation_words({.flip = 0.5, .shift = 3, .erase_side = 16, .erase_share = 0.125}),
            "flip 50 %, shift 3 pixels, erase a square of 16 pixels in 12.5 %");
  EXPECT_EQ(augmentation_words({.rotation = 12,
                                .scale = 0.12,
                                .aspect = 0.08,
                                .contrast = 0.2,
                                .brightness = 0.2,
                                .mixup = 0.4,
                                .cutmix = 1}),
            "rotation 12 degrees, scale 12 %, aspect 8 %, contrast 20 %, brightness 0.2, mixup 0.4, cutmix 1");
}

TEST(ImageRecipe, IsGentleInTheLastEpochsAlone) {
  Config config;
  config.epochs = 5;
  config.augment = AugmentPreset::kFull;
  config.augment_mixup = 0.4;
  config.augment_cutmix = 1;
  config.finish_epochs = 2;
  config.random_seed = 7;
  for (const int epoch : {0, 2}) {
    EXPECT_EQ(image_recipe(config, epoch).augmentation, augmentation_options(config));
    EXPECT_EQ(image_recipe(config, epoch).smoothing_share, 1);
  }
  for (const int epoch : {3, 4}) {
    const ImageRecipe recipe = image_recipe(config, epoch);
    EXPECT_EQ(recipe.augmentation, (AugmentationOptions{.flip = 0.5, .shift = 2, .contrast = 0.1, .brightness = 0.1}));
    EXPECT_EQ(recipe.smoothing_share, 0.5);
    EXPECT_EQ(recipe.seed, 7U);
  }
  config.augment_shift = 1;
  EXPECT_EQ(image_recipe(config, 4).augmentation.shift, 1);
}

TEST(ImageRecipe, OfHalfTheSmoothingIsOneAsWell) {
  Config config;
  config.finish_epochs = 1;
  EXPECT_FALSE(has_image_recipe(config));
  config.label_smoothing = 0.1;
  EXPECT_TRUE(has_image_recipe(config));
}

}  // namespace

}  // namespace fer_ddp
