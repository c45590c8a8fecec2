#include "report/face_grid.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>

#include "core/error.h"

namespace fer_ddp {

namespace {

constexpr int kGap = 4;  // white pixels between faces
constexpr int kCell = kImageSide + kGap;
constexpr int kWidth = kExpressionCount * kCell - kGap;

}  // namespace

std::string encode_grey_png(std::span<const uint8_t> pixels, int width, int height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_GRAY;
  const auto write = [&](void* memory, png_alloc_size_t& size) {
    if (png_image_write_to_memory(&image, memory, &size, 0, pixels.data(), 0, nullptr) == 0)
      throw machine_error(fmt::format("a picture of {} x {} could not be encoded: {}", width, height, image.message));
  };
  png_alloc_size_t size = 0;
  write(nullptr, size);  // asks for the size alone
  std::string bytes(size, '\0');
  write(bytes.data(), size);
  bytes.resize(size);
  return bytes;
}

std::string face_grid_png(const FacesByClass& faces) {
  size_t rows = 0;
  for (const std::vector<Face>& column : faces) rows = std::max(rows, column.size());
  if (rows == 0) return {};
  const int height = static_cast<int>(rows) * kCell - kGap;
  std::vector<uint8_t> picture(static_cast<size_t>(kWidth) * static_cast<size_t>(height), 255);
  for (int label = 0; label < kExpressionCount; ++label) {
    const std::vector<Face>& column = faces[static_cast<size_t>(label)];
    for (size_t row = 0; row < column.size(); ++row) {
      for (int y = 0; y < kImageSide; ++y) {
        const size_t at = (row * kCell + static_cast<size_t>(y)) * kWidth + static_cast<size_t>(label * kCell);
        std::copy_n(column[row].begin() + y * kImageSide, kImageSide, picture.begin() + static_cast<ptrdiff_t>(at));
      }
    }
  }
  return encode_grey_png(picture, kWidth, height);
}

}  // namespace fer_ddp
