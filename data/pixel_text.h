// Pictures as text: 2,304 numbers from 0 to 255. parse_pixels takes whatever spacing a person or a program may have
// left and says what is wrong with the rest; parse_plain_pixels takes the one spelling that nearly all rows have,
// several rows side by side, at many times the speed, and leaves the others to parse_pixels. Pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/expressions.h"

namespace fer_ddp {

using Image = std::span<uint8_t, kImagePixels>;

// Returns what is wrong with the text, as "2,303 pixels, expected 2,304 (48 x 48)"; nothing where `image` now holds the
// picture.
[[nodiscard]] std::string parse_pixels(std::string_view text, Image image);

inline constexpr int kPixelLanes = 4;

// How many bytes from a text's begin on parse_plain_pixels may look at, beyond its end where it is shorter: they must
// be readable.
inline constexpr size_t kPixelTextReach = 4 * kImagePixels + 4;

using ImageLanes = std::span<uint8_t, kPixelLanes * kImagePixels>;  // one image after the other

// Parses numbers without leading blanks or signs, each but the last followed by exactly one space. False, and the
// images are undefined, where any of the texts holds anything else.
[[nodiscard]] bool parse_plain_pixels(const std::array<std::string_view, kPixelLanes>& texts, ImageLanes images);

// What an error may quote of a broken file: its first letters, those that are not printable ASCII as '?'.
[[nodiscard]] std::string excerpt(std::string_view text, size_t longest = 24);

}  // namespace fer_ddp
