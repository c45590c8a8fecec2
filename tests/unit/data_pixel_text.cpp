#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "data/pixel_text.h"
#include "tests/data_fixtures.h"

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;

std::string reason_of(const std::string& text) {
  std::vector<uint8_t> image(kImagePixels);
  return parse_pixels(text, Image(image));
}

// Runs the fast parser with `text` in `lane` and sound texts in the others; the image where it took them all.
std::vector<uint8_t> fast_image(const std::string& text, size_t lane = 0) {
  std::array<std::string, kPixelLanes> buffers;
  std::array<std::string_view, kPixelLanes> texts;
  std::vector<uint8_t> images(kPixelLanes * kImagePixels);
  for (size_t i = 0; i < buffers.size(); ++i) {
    const std::string content = i == lane ? text : made_pixels(static_cast<int>(i));
    buffers[i] = content + std::string(kPixelTextReach, ',');
    texts[i] = std::string_view(buffers[i]).substr(0, content.size());
  }
  if (!parse_plain_pixels(texts, ImageLanes(images))) return {};
  const auto begin = images.begin() + static_cast<ptrdiff_t>(lane * kImagePixels);
  return {begin, begin + kImagePixels};
}

std::string repeated(const std::string& word, int count) {
  std::string text = word;
  for (int i = 1; i < count; ++i) text += " " + word;
  return text;
}

TEST(PixelText, EveryValueIsReadAlikeFastAndThoroughly) {
  for (int value = 0; value <= 255; ++value) {
    const std::string text = repeated(std::to_string(value), kImagePixels);
    const std::vector<uint8_t> expected(kImagePixels, static_cast<uint8_t>(value));
    std::vector<uint8_t> image(kImagePixels);
    EXPECT_EQ(parse_pixels(text, Image(image)), "");
    EXPECT_EQ(image, expected);
    EXPECT_EQ(fast_image(text, static_cast<size_t>(value % kPixelLanes)), expected);
  }
}

TEST(PixelText, MixedWidthsAreReadAlikeFastAndThoroughly) {
  for (int row = 0; row < 50; ++row) {
    const std::string text = made_pixels(row);
    std::vector<uint8_t> image(kImagePixels);
    EXPECT_EQ(parse_pixels(text, Image(image)), "");
    EXPECT_EQ(image[100], made_pixel(row, 100));
    EXPECT_EQ(fast_image(text), image);
  }
}

TEST(PixelText, TheFastParserTakesNothingThatTheThoroughOneRefuses) {
  const std::string sound = made_pixels(1);
  for (const int at : {0, 1, 7, 1000, 5000, static_cast<int>(sound.size()) - 1}) {
    for (int letter = 0; letter < 256; ++letter) {
      std::string text = sound;
      text[static_cast<size_t>(at)] = static_cast<char>(letter);
      std::vector<uint8_t> image(kImagePixels);
      const bool is_sound = parse_pixels(text, Image(image)).empty();
      const std::vector<uint8_t> fast = fast_image(text);
      if (!fast.empty()) {
        EXPECT_TRUE(is_sound) << "letter " << letter << " at " << at;
        EXPECT_EQ(fast, image);
      }
    }
  }
}

TEST(PixelText, TheFastParserLeavesUnusualSpacingToTheThoroughOne) {
  for (const std::string& text :
       {" " + made_pixels(1), made_pixels(1) + " ", "0  " + made_pixels(1, kImagePixels - 1)}) {
    EXPECT_EQ(reason_of(text), "");
    EXPECT_TRUE(fast_image(text).empty());
  }
}

TEST(PixelText, TooFewAndTooManyPixelsAreCounted) {
  EXPECT_EQ(reason_of(made_pixels(0, 2303)), "2,303 pixels, expected 2,304 (48 x 48)");
  EXPECT_EQ(reason_of(made_pixels(0, 2305)), "2,305 pixels, expected 2,304 (48 x 48)");
  EXPECT_EQ(reason_of("7"), "1 pixel, expected 2,304 (48 x 48)");
  EXPECT_EQ(reason_of(""), "0 pixels, expected 2,304 (48 x 48)");
  EXPECT_TRUE(fast_image(made_pixels(0, 2303)).empty());
  EXPECT_TRUE(fast_image(made_pixels(0, 2305)).empty());
  EXPECT_TRUE(fast_image("").empty());
}

TEST(PixelText, ABadValueIsNamedWithItsPlace) {
  EXPECT_EQ(reason_of("1 2 256 4"), "pixel 3 is 256, expected a whole number from 0 to 255");
  EXPECT_EQ(reason_of("-1 2"), "pixel 1 is -1, expected a whole number from 0 to 255");
  EXPECT_EQ(reason_of("1.5 2"), "pixel 1 is 1.5, expected a whole number from 0 to 255");
  EXPECT_EQ(reason_of("1 99999999999999999999"),
            "pixel 2 is 99999999999999999999, expected a whole number from 0 to 255");
}

TEST(PixelText, AnExcerptShowsNoControlCharacters) {
  EXPECT_EQ(excerpt("a\x01\n\xFF"), "a???");
  EXPECT_EQ(excerpt(std::string(100, 'x')), std::string(24, 'x') + "...");
}

}  // namespace
}  // namespace fer_ddp
