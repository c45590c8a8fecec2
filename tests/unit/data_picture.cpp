// Picture files of every sort, made here, to grey pixels; and those to faces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/picture.h"
#include "tests/data_fixtures.h"
#include "tests/picture_fixtures.h"

namespace fer_ddp {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::StartsWith;

GreyPicture decode(const std::string& file) { return decode_picture(std::as_bytes(std::span(file)), "face.jpg"); }

std::vector<uint8_t> pixels_of(const std::string& file) { return decode(file).pixels; }

RawPicture flat(int width, int height, const std::vector<uint8_t>& samples) {
  RawPicture picture{width, height, static_cast<int>(samples.size()), {}};
  for (int i = 0; i < width * height; ++i)
    picture.samples.insert(picture.samples.end(), samples.begin(), samples.end());
  return picture;
}

constexpr int kGreyAlpha = PNG_COLOR_TYPE_GRAY_ALPHA, kRgb = PNG_COLOR_TYPE_RGB, kRgba = PNG_COLOR_TYPE_RGB_ALPHA;

TEST(Picture, AGreyPngKeepsEveryByte) {
  for (const auto& [width, height] : {std::pair{48, 48}, {1, 1}, {131, 7}, {3, 200}}) {
    const RawPicture picture = made_picture(width, height);
    const GreyPicture decoded = decode(encode_png(picture));
    EXPECT_EQ(decoded.width, width);
    EXPECT_EQ(decoded.height, height);
    EXPECT_EQ(decoded.pixels, picture.samples);
    EXPECT_FALSE(decoded.was_coloured);
  }
}

TEST(Picture, AnInterlacedPngIsTheSameAsAPlainOne) {
  for (const auto& [channels, type] : {std::pair{1, PNG_COLOR_TYPE_GRAY}, {2, kGreyAlpha}, {3, kRgb}, {4, kRgba}}) {
    for (const int side : {1, 2, 5, 49}) {
      const RawPicture picture = made_picture(side, side + 1, channels);
      EXPECT_EQ(pixels_of(encode_png(picture, {.colour_type = type, .is_interlaced = true})),
                pixels_of(encode_png(picture, {.colour_type = type})));
    }
  }
}

TEST(Picture, FewBitsAreSpreadOverTheWholeRange) {
  EXPECT_EQ(pixels_of(encode_png({3, 1, 1, {0b10100000}}, {.bits = 1})), (std::vector<uint8_t>{255, 0, 255}));
  EXPECT_EQ(pixels_of(encode_png({4, 1, 1, {0b00011011}}, {.bits = 2})), (std::vector<uint8_t>{0, 85, 170, 255}));
  EXPECT_EQ(pixels_of(encode_png({2, 1, 1, {0x1F}}, {.bits = 4})), (std::vector<uint8_t>{17, 255}));
}

TEST(Picture, SixteenBitsAreRoundedToEight) {
  const RawPicture picture{4, 1, 1, {0x12, 0x34, 0x00, 0x81, 0xFF, 0xFF, 0x00, 0x80}};
  EXPECT_EQ(pixels_of(encode_png(picture, {.bits = 16})), (std::vector<uint8_t>{0x12, 0x01, 0xFF, 0x00}));
}

TEST(Picture, ColourBecomesLumaAndGreyInColourStaysWhatItIs) {
  const RawPicture picture{5, 1, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 30, 77, 77, 77}};
  const GreyPicture decoded = decode(encode_png(picture, {.colour_type = kRgb}));
  EXPECT_EQ(decoded.pixels, (std::vector<uint8_t>{76, 150, 29, 124, 77}));
  EXPECT_TRUE(decoded.was_coloured);
}

TEST(Picture, APaletteIsLookedUpWithItsTransparency) {
  const auto palette = [](png_structp png, png_infop info) {
    const std::array<png_color, 3> colours = {png_color{255, 0, 0}, {40, 40, 40}, {0, 0, 0}};
    const std::array<png_byte, 3> alpha = {255, 255, 0};
    png_set_PLTE(png, info, colours.data(), static_cast<int>(colours.size()));
    png_set_tRNS(png, info, alpha.data(), static_cast<int>(alpha.size()), nullptr);
  };
  const GreyPicture decoded =
      decode(encode_png({3, 1, 1, {0, 1, 2}}, {.colour_type = PNG_COLOR_TYPE_PALETTE, .more = palette}));
  EXPECT_EQ(decoded.pixels, (std::vector<uint8_t>{76, 40, 255}));
  EXPECT_TRUE(decoded.was_coloured);
}

TEST(Picture, WhatIsTransparentIsLaidOverWhite) {
  EXPECT_EQ(pixels_of(encode_png({3, 1, 2, {0, 0, 0, 255, 100, 128}}, {.colour_type = kGreyAlpha})),
            (std::vector<uint8_t>{255, 0, 177}));
  EXPECT_EQ(pixels_of(encode_png({2, 1, 4, {9, 9, 9, 0, 255, 0, 0, 255}}, {.colour_type = kRgba})),
            (std::vector<uint8_t>{255, 76}));
  const auto one_grey = [](png_structp png, png_infop info) {
    png_color_16 grey{};
    grey.gray = 7;
    png_set_tRNS(png, info, nullptr, 0, &grey);
  };
  EXPECT_EQ(pixels_of(encode_png({2, 1, 1, {7, 8}}, {.more = one_grey})), (std::vector<uint8_t>{255, 8}));
}

void expect_all_near(const std::vector<uint8_t>& pixels, int value, int tolerance) {
  EXPECT_THAT(pixels, Each(AllOf(Ge(value - tolerance), Le(value + tolerance))));
}

TEST(Picture, AGreyJpegIsWhatWasEncoded) {
  RawPicture picture{131, 67, 1, {}};
  for (int i = 0; i < picture.width * picture.height; ++i)
    picture.samples.push_back(static_cast<uint8_t>(i % picture.width + i / picture.width));
  for (const bool is_progressive : {false, true}) {
    const GreyPicture decoded = decode(encode_jpeg(picture, {.quality = 100, .is_progressive = is_progressive}));
    ASSERT_EQ(decoded.pixels.size(), picture.samples.size());
    EXPECT_EQ(decoded.width, 131);
    EXPECT_FALSE(decoded.was_coloured);
    for (size_t i = 0; i < decoded.pixels.size(); ++i)
      ASSERT_LE(std::abs(decoded.pixels[i] - picture.samples[i]), 2) << i;
  }
}

TEST(Picture, AColouredJpegBecomesItsLuma) {
  const RawPicture picture = flat(33, 17, {10, 200, 30});
  for (const J_COLOR_SPACE stored : {JCS_YCbCr, JCS_RGB}) {
    const GreyPicture decoded = decode(encode_jpeg(picture, {.given = JCS_RGB, .stored = stored, .quality = 100}));
    EXPECT_EQ(decoded.pixels.size(), 33U * 17U);
    expect_all_near(decoded.pixels, 124, 2);
    EXPECT_TRUE(decoded.was_coloured);
  }
}

// libjpeg writes Adobe's marker beside YCCK and CMYK, by which values are 255 - ink.
TEST(Picture, InkOnWhiteBecomesLuma) {
  const RawPicture picture = flat(16, 16, {55, 155, 255, 200});
  const int luma = static_cast<int>(std::lround((0.299 * 55 + 0.587 * 155 + 0.114 * 255) * 200 / 255));
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK})
    expect_all_near(pixels_of(encode_jpeg(picture, {.given = JCS_CMYK, .stored = stored, .quality = 100})), luma, 3);
  const RawPicture ink = flat(16, 16, {200, 100, 0, 55});
  const auto without_adobe = [](jpeg_compress_struct& jpeg) { jpeg.write_Adobe_marker = FALSE; };
  const JpegOptions options{.given = JCS_CMYK, .stored = JCS_CMYK, .quality = 100, .more = without_adobe};
  expect_all_near(pixels_of(encode_jpeg(ink, options)), luma, 3);
}

GreyPicture turned_right(const GreyPicture& from) {
  GreyPicture to{from.height, from.width, {}, from.was_coloured};
  for (int y = 0; y < to.height; ++y) {
    for (int x = 0; x < to.width; ++x) {
      const int at = (from.height - 1 - x) * from.width + y;
      to.pixels.push_back(from.pixels[static_cast<size_t>(at)]);
    }
  }
  return to;
}

GreyPicture mirrored(GreyPicture picture) {
  for (int y = 0; y < picture.height; ++y) {
    const auto row = picture.pixels.begin() + ptrdiff_t{y} * picture.width;
    std::reverse(row, row + picture.width);
  }
  return picture;
}

// What a viewer does to show it upright, in quarter turns to the right, then mirrored or not: by the table of EXIF.
struct Upright {
  int orientation;
  int turns;
  bool is_mirrored;
};
constexpr std::array kUpright = {Upright{1, 0, false}, Upright{2, 0, true}, Upright{3, 2, false},
                                 Upright{4, 2, true},  Upright{5, 1, true}, Upright{6, 1, false},
                                 Upright{7, 3, true},  Upright{8, 3, false}};

TEST(Picture, AllEightExifOrientationsAreTurnedUpright) {
  const RawPicture picture = made_picture(24, 16);
  for (const bool is_big_endian : {false, true}) {
    for (const Upright& upright : kUpright) {
      SCOPED_TRACE(upright.orientation);
      const std::string exif = made_exif(upright.orientation, is_big_endian);
      for (const bool is_png : {false, true}) {
        GreyPicture expected = decode(is_png ? encode_png(picture) : encode_jpeg(picture));
        for (int turn = 0; turn < upright.turns; ++turn) expected = turned_right(expected);
        if (upright.is_mirrored) expected = mirrored(expected);
        const GreyPicture found =
            decode(is_png ? encode_png(picture, {.exif = exif}) : encode_jpeg(picture, {.exif = exif}));
        EXPECT_EQ(found.width, expected.width);
        EXPECT_EQ(found.height, expected.height);
        EXPECT_EQ(found.pixels, expected.pixels);
      }
    }
  }
}

TEST(Picture, ExifThatMakesNoSenseIsPassedOver) {
  const RawPicture picture = made_picture(24, 16);
  const std::vector<uint8_t> plain = pixels_of(encode_jpeg(picture));
  const std::string sound = made_exif(6, false);
  for (const std::string& exif : {made_exif(0, false), made_exif(9, true), std::string("II"), std::string("no EXIF"),
                                  std::string("MM") + sound.substr(2), sound.substr(0, 30),
                                  sound.substr(0, 4) + "\xFF\xFF\xFF\xFF" + sound.substr(8)})
    EXPECT_EQ(pixels_of(encode_jpeg(picture, {.exif = exif})), plain);
}

// Every file that is cut anywhere is refused, and never half a picture.
TEST(Picture, AFileCutShortAnywhereIsRefusedByName) {
  const RawPicture picture = made_picture(40, 24);
  for (const std::string& whole : {encode_jpeg(picture), encode_jpeg(picture, {.is_progressive = true}),
                                   encode_png(picture), encode_png(picture, {.is_interlaced = true})}) {
    EXPECT_NO_THROW(decode(whole));
    for (size_t length = 0; length < whole.size(); ++length) {
      SCOPED_TRACE(length);
      const Error error = error_of([&] { return decode(whole.substr(0, length)); });
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_THAT(error.what(), StartsWith("face.jpg: is "));
      EXPECT_FALSE(error.advice().empty());
    }
  }
}

TEST(Picture, DamageIsToldFromAFileThatEndsTooSoon) {
  const RawPicture picture = made_picture(40, 24);
  std::string png = encode_png(picture);
  EXPECT_THAT(error_of([&] { return decode(png.substr(0, png.size() / 2)); }).what(), HasSubstr("cut short"));
  png[png.size() - 13] ^= 1;  // of the checksum of the pixels
  EXPECT_THAT(error_of([&] { return decode(png); }).what(), HasSubstr("damaged picture: IDAT: CRC error"));
  std::string jpeg = encode_jpeg(picture);
  EXPECT_THAT(error_of([&] { return decode(jpeg.substr(0, jpeg.size() / 2)); }).what(), HasSubstr("cut short"));
  jpeg.replace(jpeg.size() / 2, 2, "\xFF\xD9");  // the end, in the middle
  EXPECT_THAT(error_of([&] { return decode(jpeg); }).what(), HasSubstr("damaged picture: Corrupt JPEG data"));
}

TEST(Picture, AKindOfJpegThatIsNotReadIsNotDamaged) {
  const std::string whole = encode_jpeg(made_picture(16, 16));
  const size_t frame = whole.find("\xFF\xC0");
  std::string twelve_bits = whole;
  twelve_bits[frame + 4] = 12;
  std::string lossless = whole;
  lossless[frame + 1] = '\xC3';
  for (const std::string& file : {twelve_bits, lossless})
    EXPECT_THAT(error_of([&] { return decode(file); }).message(),
                HasSubstr("face.jpg: is a kind of JPEG that is not read\n  Save it as an ordinary JPEG."));
}

std::string big_endian(uint32_t value, int length) {
  std::string text;
  for (int i = length - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i);
  return text;
}

// A JPEG that says another size than it has.
std::string resized_jpeg(uint32_t width, uint32_t height) {
  std::string file = encode_jpeg(made_picture(16, 16));
  const size_t frame = file.find("\xFF\xC0");
  return file.replace(frame + 5, 4, big_endian(height, 2) + big_endian(width, 2));
}

// The same of a PNG, with the header's checksum made right.
std::string resized_png(uint32_t width, uint32_t height) {
  std::string file = encode_png(made_picture(16, 16));
  file.replace(16, 8, big_endian(width, 4) + big_endian(height, 4));
  uint32_t crc = ~0U;
  for (size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<uint8_t>(file[i]);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return file.replace(29, 4, big_endian(~crc, 4));
}

TEST(Picture, MoreSizeThanTheFileCanHoldTakesNoMemory) {
  for (const auto& make : {resized_jpeg, resized_png}) {
    EXPECT_THAT(error_of([&] { return decode(make(8000, 8000)); }).what(), HasSubstr("cut short"));
    EXPECT_THAT(error_of([&] { return decode(make(8193, 8192)); }).what(),
                HasSubstr("has 8,193 x 8,192 pixels, expected at most 67,108,864 in all"));
  }
  EXPECT_THAT(error_of([&] { return decode(resized_png(2'000'000'000, 1)); }).what(), HasSubstr("2,000,000,000 x 1"));
  std::string long_chunk = encode_png(made_picture(16, 16), {.exif = made_exif(6, true)});
  long_chunk.replace(long_chunk.find("eXIf") - 4, 4, big_endian(600'000'000, 4));
  EXPECT_THAT(error_of([&] { return decode(long_chunk); }).what(), HasSubstr("cut short"));
}

TEST(Picture, AJpegOfEndlessScansIsRefused) {
  std::vector<jpeg_scan_info> scans = {{1, {0}, 0, 0, 0, 0}};
  for (const int coarse : {1, 0}) {
    for (int coefficient = 1; coefficient < 64; ++coefficient)
      scans.push_back({1, {0}, coefficient, coefficient, coarse == 1 ? 0 : 1, coarse});
  }
  const auto in_many_scans = [&](jpeg_compress_struct& jpeg) {
    jpeg.scan_info = scans.data();
    jpeg.num_scans = static_cast<int>(scans.size());
  };
  const std::string file = encode_jpeg(made_picture(40, 24), {.more = in_many_scans});
  EXPECT_THAT(error_of([&] { return decode(file); }).what(), HasSubstr("more than 100 scans"));
}

TEST(Picture, AJpegWithArithmeticCodingIsRefused) {
  const auto arithmetic = [](jpeg_compress_struct& jpeg) { jpeg.arith_code = TRUE; };
  const std::string file = encode_jpeg(made_picture(40, 24), {.more = arithmetic});
  EXPECT_THAT(error_of([&] { return decode(file); }).what(), HasSubstr("arithmetic coding"));
}

TEST(Picture, OtherFilesAreNamedAndRefused) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"", "is empty"},
      {"RIFF\x10\0\0\0WEBPVP8 "s, "is a WebP picture"},
      {"GIF89a", "is a GIF picture"},
      {"\0\0\0\x18"s + "ftypheic", "is a HEIC picture"},
      {"\0\0\0\x1C"s + "ftypavif", "is an AVIF picture"},
      {"\0\0\0\x1C"s + "ftypisom", "is a video"},
      {"BM\x36\0\0\0"s, "is a BMP picture"},
      {"II*\0\x08\0\0\0"s, "is a TIFF picture"},
      {"  \n<!DOCTYPE html>", "is a web page"},
      {"\xEF\xBB\xBF<html>", "is a web page"},
      {"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"},
      {"emotion,pixels\n", "is not a picture of a known kind"},
      {std::string(5000, '\0'), "is not a picture of a known kind"},
      {"\x89PN", "cut short"},
  };
  for (const auto& [file, said] : files) {
    const Error error = error_of([&, &content = file] { return decode(content); });
    EXPECT_THAT(error.what(), AllOf(StartsWith("face.jpg: "), HasSubstr(said)));
    EXPECT_FALSE(error.advice().empty());
    EXPECT_EQ(error.exit_code(), 2);
  }
}

std::vector<uint8_t> face_in(const RawPicture& raw, const PictureBox& box) {
  std::vector<uint8_t> face(kImagePixels);
  face_of({raw.width, raw.height, raw.samples, false}, box, face);
  return face;
}

TEST(Face, FortyEightPixelsStayWhatTheyAre) {
  const RawPicture picture = made_picture(48, 48);
  EXPECT_EQ(face_in(picture, {0, 0, 48}), picture.samples);
}

TEST(Face, ABoxIsCutOutWhereItLies) {
  const RawPicture picture = made_picture(70, 60);
  const std::vector<uint8_t> face = face_in(picture, {11, 5, 48});
  for (int y = 0; y < kImageSide; ++y) {
    for (int x = 0; x < kImageSide; ++x)
      ASSERT_EQ(face[static_cast<size_t>(y * kImageSide + x)],
                picture.samples[static_cast<size_t>((y + 5) * 70 + x + 11)]);
  }
}

// By its definition, in floating point: the mean over the area that a pixel covers.
double area_mean(const RawPicture& picture, const PictureBox& box, int face_x, int face_y) {
  const double scale = box.side / 48.0;
  const auto share = [&](int i, int j) {
    return std::max(0.0, std::min((i + 1) * scale, j + 1.0) - std::max(i * scale, static_cast<double>(j)));
  };
  double sum = 0;
  for (int y = 0; y < box.side; ++y) {
    for (int x = 0; x < box.side; ++x) {
      const int at = (box.y + y) * picture.width + box.x + x;
      sum += share(face_x, x) * share(face_y, y) * picture.samples[static_cast<size_t>(at)];
    }
  }
  return sum / (scale * scale);
}

TEST(Face, ALargerPictureIsAveragedOverArea) {
  for (const int side : {49, 96, 131}) {
    const RawPicture picture = made_picture(side + 6, side + 3);
    const PictureBox box{4, 2, side};
    const std::vector<uint8_t> face = face_in(picture, box);
    for (int at = 0; at < kImagePixels; at += 97)
      EXPECT_NEAR(face[static_cast<size_t>(at)], area_mean(picture, box, at % 48, at / 48), 0.5001) << at;
  }
}

TEST(Face, ASmallerPictureIsInterpolatedBetweenItsPixels) {
  EXPECT_THAT(face_in({1, 1, 1, {93}}, {0, 0, 1}), Each(93));
  // Two pixels, 0 and 240, whose centres are 24 pixels of the face apart, 12 from its border.
  const std::vector<uint8_t> face = face_in({2, 2, 1, {0, 240, 0, 240}}, {0, 0, 2});
  for (int x = 0; x < kImageSide; ++x) {
    const double expected = std::clamp((x + 0.5 - 12) * 10, 0.0, 240.0);
    EXPECT_NEAR(face[static_cast<size_t>(x)], expected, 0.5001) << x;
    EXPECT_EQ(face[static_cast<size_t>(47 * kImageSide + x)], face[static_cast<size_t>(x)]);
  }
  const RawPicture odd = made_picture(47, 47);
  EXPECT_EQ(face_in(odd, {0, 0, 47}).front(), odd.samples.front());
  EXPECT_EQ(face_in(odd, {0, 0, 47}).back(), odd.samples.back());
}

TEST(Face, ABoxBeyondThePictureIsOurMistake) {
  for (const PictureBox& box : {PictureBox{-1, 0, 48}, {1, 0, 48}, {0, 1, 48}, {0, 0, 0}, {0, 0, 49}})
    EXPECT_EQ(error_of([&] { return face_in(made_picture(48, 48), box); }).exit_code(), 1);
}

TEST(Face, TheCentreSquareTouchesTheShorterSides) {
  const auto centre = [](int width, int height) { return centre_square({width, height, {}, false}); };
  EXPECT_EQ(centre(100, 61).x, 19);
  EXPECT_EQ(centre(100, 61).y, 0);
  EXPECT_EQ(centre(100, 61).side, 61);
  EXPECT_EQ(centre(48, 90).y, 21);
  EXPECT_EQ(centre(48, 90).side, 48);
}

}  // namespace
}  // namespace fer_ddp
