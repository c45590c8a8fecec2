#include "status/braille_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace fer_ddp {

namespace {

constexpr int kAxisColumns = 7;  // "1.2345 "
constexpr int kFewestEpochs = 10;

// Bit of the dot in column x and row y of a character: Unicode 1991, block Braille Patterns from U+2800 on.
constexpr std::array<std::array<uint8_t, 4>, 2> kDots = {{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

Range range_of(std::span<const TerminalCurve> curves) {
  Range range;
  for (const TerminalCurve& curve : curves) {
    for (const double value : curve.values) {
      if (!std::isfinite(value)) continue;
      range.low = std::min(range.low, value);
      range.high = std::max(range.high, value);
    }
  }
  if (range.low > range.high) return {0, 1};
  if (range.low == range.high) return {range.low - 0.5, range.high + 0.5};
  return range;
}

class Canvas {
 public:
  Canvas(int columns, int rows)
      : columns_(columns), rows_(rows), dots_(static_cast<size_t>(columns * rows)), colours_(dots_.size(), "") {}

  [[nodiscard]] int width() const { return 2 * columns_; }
  [[nodiscard]] int height() const { return 4 * rows_; }

  void set(int x, int y, const char* colour) {
    if (x < 0 || x >= width() || y < 0 || y >= height()) return;
    const size_t cell = cell_of(x / 2, y / 4);
    dots_[cell] |= kDots[static_cast<size_t>(x % 2)][static_cast<size_t>(y % 4)];
    colours_[cell] = colour;
  }

  [[nodiscard]] std::string line(int row) const {
    std::string text;
    for (int column = 0; column < columns_; ++column) {
      const size_t cell = cell_of(column, row);
      const uint32_t code = 0x2800 + dots_[cell];
      const std::string character = {static_cast<char>(0xE0 | (code >> 12)),
                                     static_cast<char>(0x80 | ((code >> 6) & 0x3F)),
                                     static_cast<char>(0x80 | (code & 0x3F))};
      const std::string colour = colours_[cell];
      text += dots_[cell] == 0 ? std::string(" ") : colour.empty() ? character : colour + character + kPlainText;
    }
    return text;
  }

 private:
  [[nodiscard]] size_t cell_of(int column, int row) const {
    return static_cast<size_t>(row) * static_cast<size_t>(columns_) + static_cast<size_t>(column);
  }

  int columns_;
  int rows_;
  std::vector<uint8_t> dots_;
  std::vector<const char*> colours_;
};

void draw(Canvas& canvas, const TerminalCurve& curve, const Range& range, int epochs) {
  const auto x_of = [&](size_t epoch) {
    return static_cast<int>(std::lround(static_cast<double>(epoch) * (canvas.width() - 1) / (epochs - 1)));
  };
  // Half of each: a difference of finite values may not be.
  const auto y_of = [&](double value) {
    const double share = (value / 2 - range.low / 2) / (range.high / 2 - range.low / 2);
    return static_cast<int>(std::lround((1 - share) * (canvas.height() - 1)));
  };
  for (size_t i = 0; i < curve.values.size(); ++i) {
    if (!std::isfinite(curve.values[i])) continue;
    const bool joined = i > 0 && std::isfinite(curve.values[i - 1]);
    const int x2 = x_of(i);
    const int y2 = y_of(curve.values[i]);
    const int x1 = joined ? x_of(i - 1) : x2;
    const int y1 = joined ? y_of(curve.values[i - 1]) : y2;
    const int pieces = std::max({x2 - x1, std::abs(y2 - y1), 1});
    for (int piece = 0; piece <= pieces; ++piece) {
      const int x = x1 + (x2 - x1) * piece / pieces;
      const int y = y1 + (y2 - y1) * piece / pieces;
      if (!curve.dotted || (x + y) % 3 != 0) canvas.set(x, y, curve.colour);
    }
  }
}

// In six characters, whatever it is.
std::string axis_text(double value) {
  const double size = std::abs(value);
  if (size < 10) return fmt::format("{:6.4f}", value).substr(0, 6);
  return size < 99999 ? fmt::format("{:<6.6g}", value).substr(0, 6) : fmt::format("{:<6.0e}", value).substr(0, 6);
}

}  // namespace

std::vector<std::string> braille_chart(std::span<const TerminalCurve> curves, int columns, int rows) {
  rows = std::max(rows, 3);
  columns = std::max(columns, 20);
  Canvas canvas(columns - kAxisColumns - 1, rows);
  const Range range = range_of(curves);
  size_t finished = 0;
  for (const TerminalCurve& curve : curves) finished = std::max(finished, curve.values.size());
  const int epochs = std::max(kFewestEpochs, static_cast<int>(finished));
  for (const TerminalCurve& curve : curves) draw(canvas, curve, range, epochs);
  std::vector<std::string> lines;
  for (int row = 0; row < rows; ++row) {
    const bool is_end = row == 0 || row == rows - 1;
    const std::string label = is_end ? axis_text(row == 0 ? range.high : range.low) : "";
    lines.push_back(fmt::format("{:<{}}{}{}", label, kAxisColumns, is_end ? "┤" : "│", canvas.line(row)));
  }
  const std::string last = fmt::format("epoch {}", epochs);
  lines.push_back(fmt::format("{:<{}}1{:>{}}", "", kAxisColumns + 1, last, columns - kAxisColumns - 2));
  return lines;
}

}  // namespace fer_ddp
