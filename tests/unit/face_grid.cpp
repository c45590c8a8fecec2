#include "report/face_grid.h"

#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <set>
#include <string>

#include "report/contact_sheet.h"

namespace fer_ddp {

namespace {

std::vector<uint8_t> decode(const std::string& bytes, int& width, int& height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_NE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()), 0) << image.message;
  image.format = PNG_FORMAT_GRAY;
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  EXPECT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0) << image.message;
  width = static_cast<int>(image.width);
  height = static_cast<int>(image.height);
  return pixels;
}

TEST(Png, DecodesToTheSamePixels) {
  std::vector<uint8_t> pixels(5 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 17);
  int width = 0;
  int height = 0;
  EXPECT_EQ(decode(encode_grey_png(pixels, 5, 3), width, height), pixels);
  EXPECT_EQ(width, 5);
  EXPECT_EQ(height, 3);
}

TEST(FaceGrid, GivesEachExpressionAColumn) {
  FacesByClass faces;
  Face face;
  face.fill(10);
  faces[0] = {face, face};
  face.fill(60);
  faces[6] = {face};
  int width = 0;
  int height = 0;
  const std::vector<uint8_t> pixels = decode(face_grid_png(faces), width, height);
  EXPECT_EQ(width, 7 * 52 - 4);
  EXPECT_EQ(height, 2 * 52 - 4);
  const auto at = [&](size_t row, size_t column) { return pixels[row * static_cast<size_t>(width) + column]; };
  EXPECT_EQ(at(52, 0), 10);
  EXPECT_EQ(at(0, 6 * 52), 60);
  EXPECT_EQ(at(52, 6 * 52), 255);
  EXPECT_EQ(at(0, 48), 255);
}

TEST(FaceGrid, IsEmptyWithoutFaces) { EXPECT_EQ(face_grid_png({}), ""); }

TEST(FacePairs, StandSideBySideInTheOrderOfReading) {
  std::vector<Face> left(5);
  std::vector<Face> right(5);
  for (size_t i = 0; i < left.size(); ++i) {
    left[i].fill(static_cast<uint8_t>(10 * i));
    right[i].fill(static_cast<uint8_t>(10 * i + 5));
  }
  int width = 0;
  int height = 0;
  const std::vector<uint8_t> pixels = decode(face_pairs_png(left, right, 3), width, height);
  EXPECT_EQ(width, 3 * 98 + 2 * 12);
  EXPECT_EQ(height, 2 * 48 + 12);
  for (size_t i = 0; i < left.size(); ++i) {
    const size_t corner = i / 3 * 60 * static_cast<size_t>(width) + i % 3 * 110;
    const size_t opposite = corner + 47 * static_cast<size_t>(width) + 47;
    EXPECT_EQ(pixels[corner], 10 * i);
    EXPECT_EQ(pixels[opposite], 10 * i);
    EXPECT_EQ(pixels[corner + 48], 255);
    EXPECT_EQ(pixels[corner + 50], 10 * i + 5);
    EXPECT_EQ(pixels[opposite + 50], 10 * i + 5);
  }
  EXPECT_EQ(pixels.back(), 255);  // there is no sixth
}

TEST(FacePairs, ThatFillNoRowMakeItShorter) {
  const std::vector<Face> two(2);
  int width = 0;
  int height = 0;
  static_cast<void>(decode(face_pairs_png(two, two, 8), width, height));
  EXPECT_EQ(width, 2 * 98 + 12);
  EXPECT_EQ(height, 48);
  EXPECT_EQ(face_pairs_png({}, {}, 8), "");
}

// The pixels beneath the first face of a sheet.
std::string caption_pixels(const std::string& caption) {
  const std::vector<CaptionedFace> faces = {{.face = {}, .caption = caption}};
  int width = 0;
  int height = 0;
  const std::vector<uint8_t> pixels = decode(contact_sheet_png(faces), width, height);
  return {pixels.begin() + (16 + 192) * width, pixels.end()};
}

TEST(ContactSheet, ShowsFacesInTheOrderOfReading) {
  std::vector<CaptionedFace> faces(7);
  for (size_t i = 0; i < faces.size(); ++i) faces[i].face.fill(static_cast<uint8_t>(10 * i));
  int width = 0;
  int height = 0;
  const std::vector<uint8_t> pixels = decode(contact_sheet_png(faces), width, height);
  EXPECT_EQ(width, 6 * 208 + 16);
  EXPECT_EQ(height, 2 * 232 + 16);
  for (size_t i = 0; i < faces.size(); ++i) {
    const size_t corner = (16 + i / 6 * 232) * static_cast<size_t>(width) + 16 + i % 6 * 208;
    EXPECT_EQ(pixels[corner], 10 * i);
    EXPECT_EQ(pixels[corner + 191 * static_cast<size_t>(width) + 191], 10 * i);
    EXPECT_EQ(pixels[corner + 192], 255);
  }
  EXPECT_EQ(contact_sheet_png({}), "");
}

TEST(ContactSheet, KnowsAllLettersOfTheExpressions) {
  std::set<std::string> shapes;
  std::set<char> letters = {'%', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'};
  for (const std::string_view name : kExpressionNames) letters.insert(name.begin(), name.end());
  for (const char letter : letters) shapes.insert(caption_pixels(std::string(1, letter)));
  shapes.insert(caption_pixels(" "));
  EXPECT_EQ(shapes.size(), letters.size() + 1);  // no two alike, and none blank
}

TEST(ContactSheet, CutsACaptionThatIsWiderThanItsFace) {
  EXPECT_EQ(caption_pixels(std::string(100, 'a')), caption_pixels(std::string(16, 'a')));
  EXPECT_NE(caption_pixels(std::string(16, 'a')), caption_pixels(std::string(15, 'a')));
}

}  // namespace

}  // namespace fer_ddp
