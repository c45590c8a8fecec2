#include "report/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace fer_ddp {

namespace {

constexpr int kFacesPerRow = 6;
constexpr int kFaceScale = 4;
constexpr int kFaceSide = kFaceScale * kImageSide;
constexpr int kLetterScale = 2;
constexpr int kLetterPitch = 6 * kLetterScale;
constexpr int kBetween = 16;  // white between faces
constexpr int kAboveCaption = 6;
constexpr int kRowsOfLetter = 9;  // the last two are below the line
constexpr int kColumnsOfLetter = 5;
constexpr int kCellWidth = kFaceSide + kBetween;
constexpr int kCellHeight = kFaceSide + kAboveCaption + kRowsOfLetter * kLetterScale + kBetween;

// Each row's five pixels are the low bits of a number, the leftmost the highest.
struct Letter {
  char letter;
  std::array<uint8_t, kRowsOfLetter> rows;
};

constexpr std::array<Letter, 32> kLetters = {{
    {'A', {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'D', {0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e}},
    {'F', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10}},
    {'H', {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'N', {0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11}},
    {'S', {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}},
    {'a', {0x00, 0x00, 0x0e, 0x01, 0x0f, 0x11, 0x0f}},
    {'d', {0x01, 0x01, 0x0d, 0x13, 0x11, 0x11, 0x0f}},
    {'e', {0x00, 0x00, 0x0e, 0x11, 0x1f, 0x10, 0x0e}},
    {'f', {0x06, 0x09, 0x08, 0x1c, 0x08, 0x08, 0x08}},
    {'g', {0x00, 0x00, 0x0f, 0x11, 0x11, 0x11, 0x0f, 0x01, 0x0e}},
    {'i', {0x04, 0x00, 0x0c, 0x04, 0x04, 0x04, 0x0e}},
    {'l', {0x0c, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'n', {0x00, 0x00, 0x16, 0x19, 0x11, 0x11, 0x11}},
    {'p', {0x00, 0x00, 0x1e, 0x11, 0x11, 0x11, 0x1e, 0x10, 0x10}},
    {'r', {0x00, 0x00, 0x16, 0x19, 0x10, 0x10, 0x10}},
    {'s', {0x00, 0x00, 0x0f, 0x10, 0x0e, 0x01, 0x1e}},
    {'t', {0x08, 0x08, 0x1c, 0x08, 0x08, 0x09, 0x06}},
    {'u', {0x00, 0x00, 0x11, 0x11, 0x11, 0x13, 0x0d}},
    {'y', {0x00, 0x00, 0x11, 0x11, 0x11, 0x11, 0x0f, 0x01, 0x0e}},
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}},
    {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'2', {0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f}},
    {'3', {0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}},
    {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e}},
    {'6', {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}},
    {'7', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}},
    {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c}},
    {'%', {0x18, 0x19, 0x02, 0x04, 0x08, 0x13, 0x03}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c}},
}};

class Sheet {
 public:
  Sheet(int width, int height)
      : width_(width), height_(height), pixels_(static_cast<size_t>(width) * static_cast<size_t>(height), 255) {}

  void put(const Face& face, int left, int top) {
    for (int i = 0; i < kImagePixels; ++i)
      fill(left + i % kImageSide * kFaceScale, top + i / kImageSide * kFaceScale, kFaceScale,
           face[static_cast<size_t>(i)]);
  }

  // In the middle below a face whose left edge is at `left`.
  void write(std::string_view text, int left, int top) {
    text = text.substr(0, (kFaceSide + kLetterPitch - kColumnsOfLetter * kLetterScale) / kLetterPitch);
    left += (kFaceSide - static_cast<int>(text.size()) * kLetterPitch) / 2;
    for (const char letter : text) {
      put(letter, left, top);
      left += kLetterPitch;
    }
  }

  [[nodiscard]] std::string png() const { return encode_grey_png(pixels_, width_, height_); }

 private:
  void put(char letter, int left, int top) {
    const auto* const found =
        std::find_if(kLetters.begin(), kLetters.end(), [letter](const Letter& each) { return each.letter == letter; });
    if (found == kLetters.end()) return;
    for (int y = 0; y < kRowsOfLetter; ++y) {
      for (int x = 0; x < kColumnsOfLetter; ++x) {
        const bool is_ink = (found->rows[static_cast<size_t>(y)] >> (kColumnsOfLetter - 1 - x) & 1) != 0;
        if (is_ink) fill(left + x * kLetterScale, top + y * kLetterScale, kLetterScale, 0);
      }
    }
  }

  void fill(int left, int top, int side, uint8_t grey) {
    for (int y = top; y < top + side; ++y) std::fill_n(pixels_.begin() + ptrdiff_t{y} * width_ + left, side, grey);
  }

  int width_;
  int height_;
  std::vector<uint8_t> pixels_;
};

}  // namespace

std::string contact_sheet_png(std::span<const CaptionedFace> faces) {
  if (faces.empty()) return {};
  const int count = static_cast<int>(faces.size());
  const int columns = std::min(count, kFacesPerRow);
  const int rows = (count + kFacesPerRow - 1) / kFacesPerRow;
  Sheet sheet(columns * kCellWidth + kBetween, rows * kCellHeight + kBetween);
  for (int i = 0; i < count; ++i) {
    const CaptionedFace& captioned = faces[static_cast<size_t>(i)];
    const int left = kBetween + i % columns * kCellWidth;
    const int top = kBetween + i / columns * kCellHeight;
    sheet.put(captioned.face, left, top);
    sheet.write(captioned.caption, left, top + kFaceSide + kAboveCaption);
  }
  return sheet.png();
}

}  // namespace fer_ddp
