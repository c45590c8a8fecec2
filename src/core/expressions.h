// What FER2013 is about: seven expressions, numbered as in fer2013.csv, on grey pictures of 48 x 48 pixels.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

inline constexpr int kExpressionCount = 7;
inline constexpr std::array<std::string_view, kExpressionCount> kExpressionNames = {
    "Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"};
inline constexpr int kImageSide = 48;
inline constexpr int kImagePixels = kImageSide * kImageSide;  // one byte each, row-major

// How many images of each class, by label.
using ClassCounts = std::array<int64_t, kExpressionCount>;

[[nodiscard]] int64_t total(const ClassCounts& counts);

// The class that always guessing would be right most often: the majority baseline. The lowest label wins a tie.
[[nodiscard]] int majority_class(const ClassCounts& counts);

[[nodiscard]] std::vector<std::string> expression_names();

}  // namespace fer_ddp
