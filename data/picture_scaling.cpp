// From a square of a picture to a face of 48 x 48, in whole numbers throughout. Both ways are separable: first each
// row, then the columns of what came out.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "data/picture.h"

namespace fer_ddp {

namespace {

constexpr int64_t kSide = kImageSide;

const uint8_t* row_of(const GreyPicture& picture, const PictureBox& box, int64_t y) {
  return picture.pixels.data() + (box.y + y) * int64_t{picture.width} + box.x;
}

uint8_t rounded(int64_t sum, int64_t weight) { return static_cast<uint8_t>((2 * sum + weight) / (2 * weight)); }

// In units of a 48th of a pixel, pixel i of the face covers [i * side, (i + 1) * side), and pixel j of the picture
// [j * 48, (j + 1) * 48).
int64_t overlap(int64_t i, int64_t j, int64_t side) {
  return std::min((i + 1) * side, (j + 1) * kSide) - std::max(i * side, j * kSide);
}

void shrink(const GreyPicture& picture, const PictureBox& box, std::span<uint8_t> face) {
  const int64_t side = box.side;
  for (int64_t y = 0; y < kSide; ++y) {
    std::array<int64_t, kImageSide> sums{};
    for (int64_t row = y * side / kSide; row * kSide < (y + 1) * side; ++row) {
      const uint8_t* pixels = row_of(picture, box, row);
      const int64_t height = overlap(y, row, side);
      for (int64_t x = 0; x < kSide; ++x) {
        int64_t sum = 0;
        for (int64_t column = x * side / kSide; column * kSide < (x + 1) * side; ++column)
          sum += overlap(x, column, side) * pixels[column];
        sums[static_cast<size_t>(x)] += height * sum;
      }
    }
    for (int64_t x = 0; x < kSide; ++x)
      face[static_cast<size_t>(y * kSide + x)] = rounded(sums[static_cast<size_t>(x)], side * side);
  }
}

// The two neighbours that a pixel of the face lies between, and how much the second one counts, in 96ths. Beyond the
// outermost centres the border goes on.
struct Neighbours {
  int64_t first;
  int64_t second;
  int64_t share;
};

Neighbours neighbours_of(int64_t i, int64_t side) {
  const int64_t centre = std::clamp<int64_t>((2 * i + 1) * side - kSide, 0, (side - 1) * 2 * kSide);
  const int64_t first = centre / (2 * kSide);
  return {first, std::min(first + 1, side - 1), centre % (2 * kSide)};
}

void enlarge(const GreyPicture& picture, const PictureBox& box, std::span<uint8_t> face) {
  constexpr int64_t kWhole = 2 * kSide;
  for (int64_t y = 0; y < kSide; ++y) {
    const Neighbours rows = neighbours_of(y, box.side);
    const auto across = [](const uint8_t* pixels, const Neighbours& columns) {
      return (kWhole - columns.share) * pixels[columns.first] + columns.share * pixels[columns.second];
    };
    for (int64_t x = 0; x < kSide; ++x) {
      const Neighbours columns = neighbours_of(x, box.side);
      const int64_t sum = (kWhole - rows.share) * across(row_of(picture, box, rows.first), columns) +
                          rows.share * across(row_of(picture, box, rows.second), columns);
      face[static_cast<size_t>(y * kSide + x)] = rounded(sum, kWhole * kWhole);
    }
  }
}

}  // namespace

PictureBox centre_square(const GreyPicture& picture) {
  const int side = std::min(picture.width, picture.height);
  return {(picture.width - side) / 2, (picture.height - side) / 2, side};
}

void face_of(const GreyPicture& picture, const PictureBox& box, std::span<uint8_t> face) {
  if (box.x < 0 || box.y < 0 || box.side < 1 || box.side > picture.width - box.x || box.side > picture.height - box.y ||
      face.size() != kImagePixels)
    throw machine_error(fmt::format("a square of side {} at {}, {} is not within a picture of {} x {}", box.side, box.x,
                                    box.y, picture.width, picture.height));
  if (box.side == kImageSide) {
    for (int y = 0; y < kImageSide; ++y)
      std::copy_n(row_of(picture, box, y), kImageSide, face.begin() + ptrdiff_t{y} * kImageSide);
  } else if (box.side > kImageSide) {
    shrink(picture, box, face);
  } else {
    enlarge(picture, box, face);
  }
}

}  // namespace fer_ddp
