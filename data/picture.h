// A picture file as people have it, of any size, grey or coloured, to the 48 x 48 grey pixels that a network sees.
// JPEG by libjpeg-turbo, PNG by libpng. Whatever the bytes are, they become a picture or an Error: memory is taken in
// proportion to the file, and a file that is cut short is never half a picture. Pure functions, safe on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/expressions.h"

namespace fer_ddp {

// The most pixels that a picture may have: 8,192 x 8,192, what a good telephone takes. A side may be 65,500 long.
inline constexpr int64_t kMostPicturePixels = int64_t{1} << 26;

// The most bytes of a picture's file: more than any of kMostPicturePixels is worth.
inline constexpr size_t kMostPictureBytes = size_t{256} << 20;

struct GreyPicture {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;  // [height, width], row-major
  bool was_coloured = false;    // the file had colour channels or a palette, even if all in them was grey
};

// Decodes a JPEG or a PNG, told by its content.
//  - Colour becomes ITU-R BT.601 luma, 0.299 R + 0.587 G + 0.114 B, rounded; a grey pixel keeps its value.
//  - What is transparent is laid over white.
//  - 16 bits a channel become 8, rounded. Gamma and colour profiles are not applied, as PyTorch's and Pillow's loaders
//    do not either.
//  - The picture is turned and mirrored upright as its EXIF orientation says.
// Throws Error (the user's fault) naming `name`, with the reason and what to do: other kinds of files, damaged and cut
// files, pictures of more than kMostPicturePixels.
[[nodiscard]] GreyPicture decode_picture(std::span<const std::byte> bytes, const std::string& name);

// A square within a picture, in pixels.
struct PictureBox {
  int x = 0;  // its left column
  int y = 0;  // its top row
  int side = 0;
};

// The largest square in the middle.
[[nodiscard]] PictureBox centre_square(const GreyPicture& picture);

// Scales what is in `box` to `face`, [48, 48]: by the mean of the area that each pixel covers where it shrinks, by
// bilinear interpolation between the pixels' centres where it grows, in whole numbers, so with the same bytes
// anywhere. 48 x 48 pixels stay what they are. The box lies within the picture.
void face_of(const GreyPicture& picture, const PictureBox& box, std::span<uint8_t> face);

}  // namespace fer_ddp
