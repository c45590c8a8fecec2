#include "data/synthetic_faces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "core/checksum.h"

namespace fer_ddp {

namespace {

std::string bytes_of(const SyntheticFace& face) {
  std::string bytes(face.pixels.begin(), face.pixels.end());
  return bytes + static_cast<char>(face.label);
}

std::string checksum_of_first(int64_t count, uint64_t seed) {
  std::string bytes;
  for (int64_t index = 0; index < count; ++index) bytes += bytes_of(draw_face(seed, index));
  return checksum(bytes);
}

// A change here changes every figure that was measured on synthetic faces: it is to be meant.
TEST(SyntheticFaces, AreTheSameBytesOnAnyMachine) {
  EXPECT_EQ(checksum_of_first(700, 0), "15d814a5c660d4bdf0fd3eff72f4bbe7");
  EXPECT_EQ(checksum_of_first(700, 1), "52d977adef41fbd06a52639545ec5992");
}

TEST(SyntheticFaces, AFaceDoesNotDependOnThoseDrawnBefore) {
  const std::string first = bytes_of(draw_face(3, 41));
  for (int64_t index = 0; index < 41; ++index) (void)draw_face(3, index);
  EXPECT_EQ(bytes_of(draw_face(3, 41)), first);
}

TEST(SyntheticFaces, ClassesAreAsFrequentAsInFer2013) {
  constexpr ClassCounts kFer2013 = {4953, 547, 5121, 8989, 6077, 4002, 6198};
  constexpr int64_t kDrawn = 6000;
  ClassCounts counts{};
  for (int64_t index = 0; index < kDrawn; ++index) ++counts.at(draw_face(0, index).label);
  for (size_t label = 0; label < counts.size(); ++label) {
    const double expected = static_cast<double>(kFer2013[label]) / static_cast<double>(total(kFer2013));
    EXPECT_NEAR(static_cast<double>(counts[label]) / kDrawn, expected, 0.02) << kExpressionNames[label];
  }
}

TEST(SyntheticFaces, NoTwoAreEqual) {
  std::set<std::string> pictures;
  for (const uint64_t seed : {0U, 1U}) {
    for (int64_t index = 0; index < 1500; ++index) {
      const SyntheticFace face = draw_face(seed, index);
      pictures.emplace(face.pixels.begin(), face.pixels.end());
    }
  }
  EXPECT_EQ(pictures.size(), 3000U);
}

TEST(SyntheticFaces, HaveContrast) {
  for (int64_t index = 0; index < 200; ++index) {
    const SyntheticFace face = draw_face(5, index);
    const auto [darkest, brightest] = std::minmax_element(face.pixels.begin(), face.pixels.end());
    EXPECT_GT(*brightest - *darkest, 40) << index;
  }
}

}  // namespace

}  // namespace fer_ddp
