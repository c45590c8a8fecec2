// Faces as the network sees them, enlarged, each with a few words beneath it, as a PNG file in memory. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "report/face_grid.h"

namespace fer_ddp {

struct CaptionedFace {
  Face face;
  std::string caption;  // letters that expressions' names have, digits, "%": others are left blank
};

// A sheet of more would be higher than libpng writes, and than most programs read.
inline constexpr size_t kMostSheetFaces = 20'000;

// In the order of reading, on white. A caption that is wider than its face is cut. Empty text if there is no face.
// Throws Error (the machine's fault) if libpng fails.
[[nodiscard]] std::string contact_sheet_png(std::span<const CaptionedFace> faces);

}  // namespace fer_ddp
