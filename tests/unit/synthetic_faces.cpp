#include "data/synthetic_faces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "core/checksum.h"
#include "core/random.h"
#include "data/face_expression.h"

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

// Sums over the faces of one expression, pixel by pixel.
struct PixelSums {
  double count = 0;
  std::array<double, kImagePixels> values{};
  std::array<double, kImagePixels> squares{};

  void add(const SyntheticFace& face) {
    ++count;
    for (size_t i = 0; i < values.size(); ++i) {
      const double value = face.pixels.at(i);
      values.at(i) += value;
      squares.at(i) += value * value;
    }
  }
  [[nodiscard]] double mean(size_t i) const { return values.at(i) / count; }
  [[nodiscard]] double variance_of_mean(size_t i) const { return (squares.at(i) / count - mean(i) * mean(i)) / count; }
};

// Over all pixels, the most standard errors that two mean faces are apart.
double distance(const PixelSums& a, const PixelSums& b) {
  double largest = 0;
  for (size_t i = 0; i < kImagePixels; ++i) {
    const double error = std::sqrt(a.variance_of_mean(i) + b.variance_of_mean(i));
    largest = std::max(largest, std::abs(a.mean(i) - b.mean(i)) / error);
  }
  return largest;
}

// With shuffled labels the distance is about 4 at most. Disgust is left out: among so few faces, its mean is mostly
// chance.
TEST(SyntheticFaces, CommonExpressionsDifferInTheirMeanFace) {
  constexpr size_t kDisgust = 1;
  std::array<PixelSums, kExpressionCount> sums{};
  for (int64_t index = 0; index < 6000; ++index) {
    const SyntheticFace face = draw_face(0, index);
    sums.at(face.label).add(face);
  }
  for (size_t a = 0; a < sums.size(); ++a) {
    for (size_t b = a + 1; b < sums.size(); ++b) {
      if (a == kDisgust || b == kDisgust) continue;
      EXPECT_GT(distance(sums.at(a), sums.at(b)), 5.0) << kExpressionNames.at(a) << " and " << kExpressionNames.at(b);
    }
  }
}

using Muscles = std::array<float, 9>;

Muscles mean_muscles(int label) {
  constexpr int kDrawn = 400;
  RandomStream random(0, RandomPurpose::kSyntheticFaces, 0, static_cast<uint64_t>(label));
  Muscles mean{};
  for (int i = 0; i < kDrawn; ++i) {
    const auto [inner, outer, eye, nose, corners, opening, width, lip, teeth] = random_expression(label, random);
    const Muscles muscles = {inner, outer, eye, nose, corners, opening, width, lip, teeth};
    for (size_t muscle = 0; muscle < mean.size(); ++muscle) mean.at(muscle) += muscles.at(muscle) / kDrawn;
  }
  return mean;
}

// A muscle's mean over 400 draws is known to about 0.02.
TEST(SyntheticFaces, EveryTwoExpressionsMoveSomeMuscleDifferently) {
  for (int a = 0; a < kExpressionCount; ++a) {
    for (int b = a + 1; b < kExpressionCount; ++b) {
      const Muscles first = mean_muscles(a);
      const Muscles second = mean_muscles(b);
      float largest = 0;
      for (size_t muscle = 0; muscle < first.size(); ++muscle)
        largest = std::max(largest, std::abs(first.at(muscle) - second.at(muscle)));
      EXPECT_GT(largest, 0.4F) << a << " and " << b;
    }
  }
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
