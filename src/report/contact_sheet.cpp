#include "report/contact_sheet.h"

#include <algorithm>
#include <string_view>

#include "report/grey_canvas.h"

namespace fer_ddp {

namespace {

constexpr int kFacesPerRow = 6;
constexpr int kFaceScale = 4;
constexpr int kFaceSide = kFaceScale * kImageSide;
constexpr int kLetterScale = 2;
constexpr int kBetween = 16;  // white between faces
constexpr int kAboveCaption = 6;
constexpr int kCellWidth = kFaceSide + kBetween;
constexpr int kCellHeight = kFaceSide + kAboveCaption + GreyCanvas::kRowsOfLetter * kLetterScale + kBetween;

// In the middle below a face whose left edge is at `left`; what is wider than the face is cut.
void write_caption(GreyCanvas& canvas, std::string_view text, int left, int top) {
  text = text.substr(0, static_cast<size_t>(GreyCanvas::letters_within(kFaceSide, kLetterScale)));
  const int width = GreyCanvas::text_width(text, kLetterScale);
  canvas.write(text, left + (kFaceSide - width) / 2, top, kLetterScale, 0);
}

void put(GreyCanvas& canvas, const Face& face, int left, int top) {
  for (int i = 0; i < kImagePixels; ++i)
    canvas.fill(left + i % kImageSide * kFaceScale, top + i / kImageSide * kFaceScale, kFaceScale, kFaceScale,
                face[static_cast<size_t>(i)]);
}

}  // namespace

std::string contact_sheet_png(std::span<const CaptionedFace> faces) {
  if (faces.empty()) return {};
  const int count = static_cast<int>(faces.size());
  const int columns = std::min(count, kFacesPerRow);
  const int rows = (count + kFacesPerRow - 1) / kFacesPerRow;
  GreyCanvas sheet(columns * kCellWidth + kBetween, rows * kCellHeight + kBetween);
  for (int i = 0; i < count; ++i) {
    const CaptionedFace& captioned = faces[static_cast<size_t>(i)];
    const int left = kBetween + i % columns * kCellWidth;
    const int top = kBetween + i / columns * kCellHeight;
    put(sheet, captioned.face, left, top);
    write_caption(sheet, captioned.caption, left, top + kFaceSide + kAboveCaption);
  }
  return sheet.png();
}

}  // namespace fer_ddp
