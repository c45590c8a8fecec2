// Faces side by side as a PNG file in memory, by libpng: a column for each expression, in the order of
// core/expressions.h, or pairs to be compared. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/expressions.h"

namespace fer_ddp {

using Face = std::array<uint8_t, kImagePixels>;
using FacesByClass = std::array<std::vector<Face>, kExpressionCount>;

// `pixels` holds width * height bytes, row-major. Throws Error (the machine's fault) if libpng fails.
[[nodiscard]] std::string encode_grey_png(std::span<const uint8_t> pixels, int width, int height);

// As many rows as the class with most faces has; where a class has fewer, its column ends in white. Empty text if there
// is no face.
[[nodiscard]] std::string face_grid_png(const FacesByClass& faces);

// Pairs in the order of reading, `pairs_per_row` a row: `left[i]` and, close beside it, `right[i]`, of which there are
// as many. The last row may end in white. Empty text if there is no pair.
[[nodiscard]] std::string face_pairs_png(std::span<const Face> left, std::span<const Face> right, int pairs_per_row);

}  // namespace fer_ddp
