// Sample faces side by side: a column for each expression, in the order of core/expressions.h, as a PNG file in memory,
// by libpng. Pure.
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

}  // namespace fer_ddp
