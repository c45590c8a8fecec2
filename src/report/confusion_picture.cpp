#include "report/confusion_picture.h"

#include <fmt/format.h>

#include <cmath>

#include "core/expressions.h"
#include "report/grey_canvas.h"

namespace fer_ddp {

namespace {

constexpr int kScale = 2;
constexpr int kCellWidth = 104;
constexpr int kCellHeight = 48;
constexpr int kBetween = 2;
constexpr int kNamesWidth = 112;  // left of the rows
constexpr int kNamesHeight = 36;  // above the columns
constexpr uint8_t kDarkest = 40;

void write_centred(GreyCanvas& canvas, const std::string& text, int left, int top, int width, int height,
                   uint8_t grey) {
  constexpr int kLetterHeight = 7 * kScale;
  canvas.write(text, left + (width - GreyCanvas::text_width(text, kScale)) / 2, top + (height - kLetterHeight) / 2,
               kScale, grey);
}

void draw_cell(GreyCanvas& canvas, double share, int left, int top) {
  const auto grey = static_cast<uint8_t>(255 - std::lround(share * (255 - kDarkest)));
  canvas.fill(left, top, kCellWidth - kBetween, kCellHeight - kBetween, grey);
  write_centred(canvas, fmt::format("{:.0f} %", 100 * share), left, top, kCellWidth, kCellHeight,
                share > 0.5 ? 255 : 0);
}

}  // namespace

std::string confusion_png(const Evaluation& evaluation) {
  GreyCanvas canvas(kNamesWidth + kExpressionCount * kCellWidth, kNamesHeight + kExpressionCount * kCellHeight);
  const ClassCounts counts = evaluation.true_counts();
  for (int row = 0; row < kExpressionCount; ++row) {
    const std::string name(kExpressionNames[static_cast<size_t>(row)]);
    const int top = kNamesHeight + row * kCellHeight;
    write_centred(canvas, name, 0, top, kNamesWidth, kCellHeight, 0);
    write_centred(canvas, name, kNamesWidth + row * kCellWidth, 0, kCellWidth, kNamesHeight, 0);
    const auto images = static_cast<double>(counts[static_cast<size_t>(row)]);
    for (int column = 0; column < kExpressionCount; ++column) {
      const auto called =
          static_cast<double>(evaluation.confusion[static_cast<size_t>(row)][static_cast<size_t>(column)]);
      draw_cell(canvas, images > 0 ? called / images : 0.0, kNamesWidth + column * kCellWidth, top);
    }
  }
  return canvas.png();
}

}  // namespace fer_ddp
