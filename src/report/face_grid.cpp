#include "report/face_grid.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>

#include "core/error.h"

namespace fer_ddp {

namespace {

constexpr int kGap = 4;  // white pixels between faces
constexpr int kCell = kImageSide + kGap;
constexpr int kPairGap = 2;  // between the faces of a pair
constexpr int kPairWidth = 2 * kImageSide + kPairGap;
constexpr int kGapOfPairs = 12;

// White, to put faces on.
class Canvas {
 public:
  Canvas(int width, int height)
      : width_(width), height_(height), pixels_(static_cast<size_t>(width) * static_cast<size_t>(height), 255) {}

  void put(const Face& face, int left, int top) {
    for (int y = 0; y < kImageSide; ++y)
      std::copy_n(face.begin() + y * kImageSide, kImageSide, pixels_.begin() + (ptrdiff_t{top} + y) * width_ + left);
  }

  [[nodiscard]] std::string png() const { return encode_grey_png(pixels_, width_, height_); }

 private:
  int width_;
  int height_;
  std::vector<uint8_t> pixels_;
};

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
  Canvas canvas(kExpressionCount * kCell - kGap, static_cast<int>(rows) * kCell - kGap);
  for (int label = 0; label < kExpressionCount; ++label) {
    int top = 0;
    for (const Face& face : faces[static_cast<size_t>(label)]) {
      canvas.put(face, label * kCell, top);
      top += kCell;
    }
  }
  return canvas.png();
}

std::string face_pairs_png(std::span<const Face> left, std::span<const Face> right, int pairs_per_row) {
  const int pairs = static_cast<int>(left.size());
  if (pairs == 0) return {};
  const int columns = std::min(pairs, pairs_per_row);
  const int rows = (pairs + columns - 1) / columns;
  Canvas canvas(columns * (kPairWidth + kGapOfPairs) - kGapOfPairs, rows * (kImageSide + kGapOfPairs) - kGapOfPairs);
  for (int i = 0; i < pairs; ++i) {
    const int across = i % columns * (kPairWidth + kGapOfPairs);
    const int down = i / columns * (kImageSide + kGapOfPairs);
    canvas.put(left[static_cast<size_t>(i)], across, down);
    canvas.put(right[static_cast<size_t>(i)], across + kImageSide + kPairGap, down);
  }
  return canvas.png();
}

}  // namespace fer_ddp
