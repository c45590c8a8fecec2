// Grey pictures as PNG files in memory, by libpng. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace fer_ddp {

// `pixels` holds width * height bytes, row-major. Throws Error (the machine's fault) if libpng fails.
[[nodiscard]] std::string encode_grey_png(std::span<const uint8_t> pixels, int width, int height);

}  // namespace fer_ddp
