#include "data/augmentation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/affine_sample.h"
#include "data/synthetic_faces.h"
#include "kernels/instruction_sets.h"

namespace fer_ddp {

namespace {

using Image = std::vector<float>;
using Bytes = std::vector<uint8_t>;

constexpr AugmentationOptions kFull{.flip = 0.5,
                                    .rotation = 12,
                                    .scale = 0.12,
                                    .aspect = 0.08,
                                    .shift = 4,
                                    .contrast = 0.2,
                                    .brightness = 0.2,
                                    .erase_side = 16,
                                    .erase_share = 0.5};

Bytes face(int64_t index) {
  const SyntheticFace drawn = draw_face(0, index);
  return {drawn.pixels.begin(), drawn.pixels.end()};
}

Bytes noise() {
  RandomStream random(1, RandomPurpose::kSyntheticFaces, 0);
  Bytes bytes(kImagePixels);
  for (uint8_t& pixel : bytes) pixel = static_cast<uint8_t>(random.next() >> 24);
  return bytes;
}

Image changed(const ImageChange& change, const Bytes& pixels, PixelScale input = PixelScale::kUnit) {
  Image image(kImagePixels);
  change_image(change, input, pixels.data(), image.data());
  return image;
}

float at(const Image& image, int row, int column) { return image[static_cast<size_t>(row * kImageSide + column)]; }

// The whole definition once more, in fp64 and one pixel at a time.
std::vector<double> reference(const ImageChange& change, const Bytes& pixels, PixelScale input) {
  std::vector<double> x(pixels.begin(), pixels.end());
  for (double& value : x) value /= 255;
  if (input == PixelScale::kStandardizeImage) {
    double mean = 0;
    for (const double value : x) mean += value / kImagePixels;
    double variance = 0;
    for (const double value : x) variance += (value - mean) * (value - mean) / (kImagePixels - 1);
    for (double& value : x) value = (value - mean) / (std::sqrt(variance) + 0.05);
  }
  // Neighbours beyond the border are those within, mirrored about the outermost pixels' outer edges.
  const auto mirrored = [&](int row, int column) {
    const auto within = [](int place) {
      const int in_period = ((place % (2 * kImageSide)) + 2 * kImageSide) % (2 * kImageSide);
      return in_period < kImageSide ? in_period : 2 * kImageSide - 1 - in_period;
    };
    return x[static_cast<size_t>(within(row) * kImageSide + within(column))];
  };
  std::vector<double> image(kImagePixels);
  for (int row = 0; row < kImageSide; ++row) {
    for (int column = 0; column < kImageSide; ++column) {
      const double from_column = change.source[0] * column + change.source[1] * row + change.source[2];
      const double from_row = change.source[3] * column + change.source[4] * row + change.source[5];
      const double left = std::floor(from_column);
      const double top = std::floor(from_row);
      double value = 0;
      for (int down = 0; down < 2; ++down) {
        for (int right = 0; right < 2; ++right) {
          const double share_down = down == 1 ? from_row - top : 1 - (from_row - top);
          const double share_right = right == 1 ? from_column - left : 1 - (from_column - left);
          value += share_down * share_right * mirrored(static_cast<int>(top) + down, static_cast<int>(left) + right);
        }
      }
      const PixelBox& erased = change.erased;
      const bool is_erased = row >= erased.top && row < erased.bottom && column >= erased.left && column < erased.right;
      image[static_cast<size_t>(row * kImageSide + column)] =
          is_erased ? 0 : value * change.contrast + change.brightness;
    }
  }
  return image;
}

double largest_difference(const Image& image, const std::vector<double>& expected) {
  double largest = 0;
  for (size_t i = 0; i < image.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(image[i]) - expected[i]));
  return largest;
}

class ChangedImage : public ::testing::TestWithParam<std::string> {
 public:
  ChangedImage() { use_instruction_set(GetParam()); }
  ~ChangedImage() override { use_instruction_set(""); }
};

TEST_P(ChangedImage, IsTheDefinitionInFp64WithinRounding) {
  for (int64_t i = 0; i < 60; ++i) {
    AugmentationOptions options = kFull;
    if (i % 3 == 2) options.rotation = 180;  // far beyond the borders
    if (i % 3 == 2) options.shift = 48;
    if (i % 3 == 2) options.scale = 0.9;
    const ImageChange change = draw_image_change(options, 5, 0, i);
    const Bytes pixels = i % 2 == 0 ? face(i) : noise();
    EXPECT_LT(largest_difference(changed(change, pixels), reference(change, pixels, PixelScale::kUnit)), 1e-5) << i;
    // Standardised values are up to 8 times as steep.
    EXPECT_LT(largest_difference(changed(change, pixels, PixelScale::kStandardizeImage),
                                 reference(change, pixels, PixelScale::kStandardizeImage)),
              5e-5)
        << i;
  }
}

TEST_P(ChangedImage, HasTheBitsOfEveryInstructionSet) {
  for (int64_t i = 0; i < 20; ++i) {
    const ImageChange change = draw_image_change(kFull, 5, 1, i);
    for (const PixelScale input : {PixelScale::kUnit, PixelScale::kStandardizeImage}) {
      use_instruction_set(GetParam());
      const Image here = changed(change, noise(), input);
      use_instruction_set("");
      EXPECT_EQ(here, changed(change, noise(), input)) << i;
    }
  }
}

TEST_P(ChangedImage, IsThePlainImageToTheBitWhereNothingChanges) {
  Image plain;
  for (const uint8_t pixel : noise()) plain.push_back(static_cast<float>(pixel) * (1.0F / 255.0F));
  EXPECT_EQ(changed({}, noise()), plain);
  EXPECT_EQ(changed(draw_image_change({}, 5, 0, 3), noise()), plain);
  // Also where the image goes through the sampling.
  ImageChange turned_over;
  turned_over.source = {-1, 0, 47, 0, 1, 0};
  Image twice(plain);
  for (int row = 0; row < kImageSide; ++row)
    std::reverse(twice.begin() + row * kImageSide, twice.begin() + (row + 1) * kImageSide);
  EXPECT_EQ(changed(turned_over, noise()), twice);
}

TEST_P(ChangedImage, FlippedTwiceIsItself) {
  const ImageChange flip = draw_image_change({.flip = 1}, 5, 0, 0);
  const Image once = changed(flip, noise());
  Bytes bytes;
  for (const float value : once) bytes.push_back(static_cast<uint8_t>(std::lround(value * 255)));
  EXPECT_EQ(changed(flip, bytes), changed({}, noise()));
}

TEST_P(ChangedImage, TurnsAQuarterAboutTheCentre) {
  const ImageChange quarter{.source = {0, -1, 47, 1, 0, 0}};
  const Image plain = changed({}, noise());
  const Image turned = changed(quarter, noise());
  for (int row = 0; row < kImageSide; ++row)
    for (int column = 0; column < kImageSide; ++column)
      ASSERT_EQ(at(turned, row, column), at(plain, column, kImageSide - 1 - row)) << row << ", " << column;
}

TEST_P(ChangedImage, IsMirroredBeyondItsBorder) {
  const ImageChange three_left{.source = {1, 0, -3, 0, 1, 0}};
  const Image plain = changed({}, noise());
  const Image shifted = changed(three_left, noise());
  for (const int column : {0, 1, 2}) EXPECT_EQ(at(shifted, 7, column), at(plain, 7, 2 - column));
  EXPECT_EQ(at(shifted, 7, 3), at(plain, 7, 0));
}

TEST_P(ChangedImage, IsStandardisedByItsOwnMeanAndDeviation) {
  const Image image = changed({}, face(3), PixelScale::kStandardizeImage);
  double sum = 0;
  double squares = 0;
  for (const float value : image) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  EXPECT_NEAR(sum / kImagePixels, 0, 1e-5);
  EXPECT_GT(squares / kImagePixels, 0.4);
  EXPECT_LT(squares / kImagePixels, 1);
  // A picture of one grey has no deviation, and stays finite.
  for (const float value : changed({}, Bytes(kImagePixels, 200), PixelScale::kStandardizeImage))
    EXPECT_NEAR(value, 0, 1e-5);
}

TEST_P(ChangedImage, UnchangedHasTheBitsOfADivisionOrOfTheSamePixelMap) {
  const Bytes pixels = noise();
  Image scaled(kImagePixels);
  scale_image(PixelScale::kUnit, pixels.data(), scaled.data());
  for (size_t i = 0; i < pixels.size(); ++i) ASSERT_EQ(scaled[i], static_cast<float>(pixels[i]) / 255.0F) << i;
  scale_image(PixelScale::kStandardizeImage, pixels.data(), scaled.data());
  EXPECT_EQ(scaled, changed({}, pixels, PixelScale::kStandardizeImage));
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, ChangedImage, ::testing::ValuesIn(instruction_sets()),
                         [](const auto& set) { return set.param; });

TEST(ImageChange, IsThatOfItsKeyAlone) {
  const ImageChange once = draw_image_change(kFull, 5, 2, 77);
  (void)draw_image_change(kFull, 5, 2, 78);
  const ImageChange again = draw_image_change(kFull, 5, 2, 77);
  EXPECT_EQ(once.source, again.source);
  EXPECT_EQ(once.brightness, again.brightness);
  for (const ImageChange& other :
       {draw_image_change(kFull, 6, 2, 77), draw_image_change(kFull, 5, 3, 77), draw_image_change(kFull, 5, 2, 78)})
    EXPECT_NE(once.source, other.source);
}

TEST(ImageChange, OneSwitchMovesNoOthersNumbers) {
  for (int64_t position = 0; position < 50; ++position) {
    const ImageChange all = draw_image_change(kFull, 5, 0, position);
    EXPECT_EQ(draw_image_change({.contrast = kFull.contrast}, 5, 0, position).contrast, all.contrast);
    EXPECT_EQ(draw_image_change({.brightness = kFull.brightness}, 5, 0, position).brightness, all.brightness);
    EXPECT_EQ(draw_image_change({.erase_side = 16, .erase_share = 0.5}, 5, 0, position).erased, all.erased);
    AugmentationOptions geometry = kFull;
    geometry.contrast = geometry.brightness = geometry.erase_share = 0;
    geometry.mixup = 0.4;
    EXPECT_EQ(draw_image_change(geometry, 5, 0, position).source, all.source);
  }
}

TEST(ImageChange, TurnsScalesAndShiftsWithinWhatTheOptionsSay) {
  double largest_angle = 0;
  double largest_shift = 0;
  double smallest_scale = 9;
  double largest_scale = 0;
  for (int64_t position = 0; position < 2000; ++position) {
    const auto turned = draw_image_change({.rotation = 12}, 5, 0, position).source;
    const double angle = std::atan2(turned[3], turned[0]) * 180 / std::numbers::pi;
    largest_angle = std::max(largest_angle, std::abs(angle));
    EXPECT_NEAR(turned[0] * turned[4] - turned[1] * turned[3], 1, 1e-12);
    // The centre stays.
    EXPECT_NEAR((turned[0] + turned[1]) * 23.5 + turned[2], 23.5, 1e-12);
    const auto shifted = draw_image_change({.shift = 4}, 5, 0, position).source;
    largest_shift = std::max({largest_shift, std::abs(shifted[2]), std::abs(shifted[5])});
    const auto scaled = draw_image_change({.scale = 0.12}, 5, 0, position).source;
    EXPECT_EQ(scaled[0], scaled[4]);
    smallest_scale = std::min(smallest_scale, scaled[0]);
    largest_scale = std::max(largest_scale, scaled[0]);
  }
  EXPECT_LE(largest_angle, 12 + 1e-9);
  EXPECT_GT(largest_angle, 11.9);
  EXPECT_LE(largest_shift, 4);
  EXPECT_GT(largest_shift, 3.9);
  EXPECT_NEAR(smallest_scale, 0.88, 0.005);
  EXPECT_NEAR(largest_scale, 1.12, 0.005);
}

TEST(ImageChange, FlipsAndErasesAsManyAsTheOptionsSay) {
  constexpr int kDrawn = 4000;
  int flipped = 0;
  int erased = 0;
  int64_t whole_area = 0;
  int whole = 0;
  for (int64_t position = 0; position < kDrawn; ++position) {
    const ImageChange change = draw_image_change(kFull, 5, 0, position);
    flipped += change.source[0] < 0 ? 1 : 0;
    const PixelBox& box = change.erased;
    if (box.area() == 0) continue;
    ++erased;
    EXPECT_GE(box.top, 0);
    EXPECT_LE(box.bottom, kImageSide);
    EXPECT_LE(box.bottom - box.top, 16);
    EXPECT_LE(box.right - box.left, 16);
    if (box.top > 0 && box.left > 0 && box.bottom < kImageSide && box.right < kImageSide) {
      ++whole;
      whole_area += box.area();
    }
  }
  EXPECT_NEAR(flipped, kDrawn / 2, 100);
  EXPECT_NEAR(erased, kDrawn / 2, 100);
  // Within the image a square covers 16 x 16 pixels.
  ASSERT_GT(whole, 0);
  EXPECT_EQ(whole_area, whole * 256);
}

TEST(ImageChange, ErasesToZeroAndNothingElse) {
  ImageChange change;
  change.erased = {.top = 10, .bottom = 26, .left = 0, .right = 5};
  const Image image = changed(change, Bytes(kImagePixels, 100));
  EXPECT_EQ(std::count(image.begin(), image.end(), 0.0F), 16 * 5);
  EXPECT_EQ(at(image, 10, 4), 0.0F);
  EXPECT_NE(at(image, 10, 5), 0.0F);
  EXPECT_NE(at(image, 26, 4), 0.0F);
}

TEST(BatchMixing, IsOffWithoutMixing) { EXPECT_FALSE(draw_batch_mixing(kFull, 5, 0, 0).is_on()); }

TEST(BatchMixing, WeightsFollowTheBetaDistribution) {
  for (const double shape : {0.01, 0.4, 1.0, 3.0}) {
    constexpr int kDrawn = 20000;
    double sum = 0;
    double squares = 0;
    int unmixed = 0;
    for (int64_t batch = 0; batch < kDrawn; ++batch) {
      const auto weight = static_cast<double>(draw_batch_mixing({.mixup = shape}, 5, 0, batch * 128).weight);
      ASSERT_GE(weight, 0);
      ASSERT_LE(weight, 1);
      sum += weight;
      squares += (weight - 0.5) * (weight - 0.5);
      unmixed += weight == 1 ? 1 : 0;
    }
    // A fifth of the batches stays as it is, with the weight 1; the rest has the mean 1/2 and the variance
    // 1 / (4 (2 shape + 1)).
    EXPECT_NEAR(sum / kDrawn, 0.2 + 0.8 * 0.5, 0.015) << shape;
    EXPECT_NEAR(squares / kDrawn, 0.2 * 0.25 + 0.8 / (4 * (2 * shape + 1)), 0.006) << shape;
    // Small shapes round many weights to 1.
    if (shape >= 1) {
      EXPECT_NEAR(unmixed, kDrawn / 5, 200) << shape;
    }
  }
}

TEST(BatchMixing, ACutsWeightIsTheShareThatStays) {
  int cut = 0;
  for (int64_t batch = 0; batch < 200; ++batch) {
    const BatchMixing mixing = draw_batch_mixing({.cutmix = 1}, 5, 0, batch);
    if (!mixing.is_on()) continue;
    ASSERT_TRUE(mixing.is_cut);
    ++cut;
    EXPECT_FLOAT_EQ(mixing.weight, 1.0F - static_cast<float>(mixing.cut.area()) / kImagePixels);
  }
  EXPECT_NEAR(cut, 160, 25);
}

TEST(BatchMixing, BothKindsShareTheBatches) {
  int cut = 0;
  int blended = 0;
  for (int64_t batch = 0; batch < 1000; ++batch) {
    const BatchMixing mixing = draw_batch_mixing({.mixup = 1, .cutmix = 1}, 5, 0, batch);
    if (mixing.is_on()) ++(mixing.is_cut ? cut : blended);
  }
  EXPECT_NEAR(cut, 400, 50);
  EXPECT_NEAR(blended, 400, 50);
}

TEST(BatchMixing, BlendsOrCuts) {
  const Image black(kImagePixels, 0.0F);
  const Image white(kImagePixels, 1.0F);
  Image mixed(kImagePixels);
  mix_images({.weight = 0.25F}, white.data(), black.data(), mixed.data());
  EXPECT_EQ(mixed, Image(kImagePixels, 0.25F));
  Image in_place = white;
  mix_images({.weight = 0.75F, .is_cut = true, .cut = {.top = 0, .bottom = 24, .left = 24, .right = 48}}, black.data(),
             in_place.data(), in_place.data());
  EXPECT_EQ(std::count(in_place.begin(), in_place.end(), 1.0F), 24 * 24);
  EXPECT_EQ(at(in_place, 23, 24), 1.0F);
  EXPECT_EQ(at(in_place, 24, 24), 0.0F);
}

}  // namespace

}  // namespace fer_ddp
