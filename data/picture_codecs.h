// What decode_picture() is made of: one function for each kind of picture file, each of which keeps the C library's
// long jumps to itself, and what they have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/error.h"
#include "data/picture.h"

namespace fer_ddp {

// A picture as it lies in its file. `orientation` is EXIF's, 1 to 8: how to turn it upright; 1: it is.
struct StoredPicture {
  GreyPicture picture;
  int orientation = 1;
};

[[nodiscard]] StoredPicture decode_jpeg(std::span<const std::byte> bytes, const std::string& name);
[[nodiscard]] StoredPicture decode_png(std::span<const std::byte> bytes, const std::string& name);

// The orientation in a block of EXIF data, which begins with the TIFF header (CIPA DC-008, tag 0x0112 of the first
// directory). 1 where there is none or the block makes no sense: a picture is not refused for that.
[[nodiscard]] int exif_orientation(std::span<const uint8_t> exif);

// ITU-R BT.601, of values up to 255: grey stays what it is, as the weights, in 65,536ths, add up to one.
[[nodiscard]] constexpr uint8_t luma(unsigned red, unsigned green, unsigned blue) {
  return static_cast<uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16);
}

// Throws the Error (the user's fault) for a picture of too many pixels.
void require_bounded_picture(int64_t width, int64_t height, const std::string& name);

[[nodiscard]] Error damaged_picture(const std::string& name, const std::string& reason);
[[nodiscard]] Error cut_picture(const std::string& name);

}  // namespace fer_ddp
