#include "report/page/svg_chart.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "report/page/html.h"

namespace fer_ddp {

namespace {

constexpr double kWidth = 600;
constexpr double kHeight = 300;
constexpr double kLeft = 58;
constexpr double kRight = kWidth - 14;
constexpr double kTop = 14;
constexpr double kBottom = kHeight - 44;
constexpr int kValueTicks = 7;
constexpr int kEpochTicks = 10;
constexpr int kMostReadouts = 150;  // beyond, only each second or third epoch has one

// The letters of a readout are about this wide and high.
constexpr double kLetterWidth = 7.5;
constexpr double kLineHeight = 17;

struct Frame {
  Interval epochs;
  Interval values;
  ChartAxis x;
  ChartAxis y;
};

Frame frame_of(const Chart& chart) {
  std::vector<double> values;
  std::vector<double> epochs;
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& point : line.points) {
      values.push_back(point.value);
      epochs.push_back(point.epoch);
    }
  }
  const auto [first, last] = std::minmax_element(epochs.begin(), epochs.end());
  const double room = *first == *last ? 0.5 : 0.0;
  const Interval across{*first - room, *last + room};
  const Interval up = axis_interval(values, chart.scale);
  return {across, up, ChartAxis(across, kLeft, kRight),
          ChartAxis(up, kBottom, kTop, chart.scale == ChartScale::kLogarithmic)};
}

bool can_be_drawn(const Chart& chart, double value) {
  return std::isfinite(value) && (chart.scale != ChartScale::kLogarithmic || value > 0);
}

template <class Test>
bool any_point(const Chart& chart, Test test) {
  return std::any_of(chart.lines.begin(), chart.lines.end(), [&test](const ChartLine& line) {
    return std::any_of(line.points.begin(), line.points.end(),
                       [&test](const ChartPoint& point) { return test(point.value); });
  });
}

Html value_grid(const Chart& chart, const Frame& frame) {
  Html svg;
  const std::vector<double> ticks = chart.scale == ChartScale::kLogarithmic ? logarithmic_ticks(frame.values)
                                                                            : round_ticks(frame.values, kValueTicks);
  for (const double tick : ticks) {
    const double y = frame.y.place(tick);
    svg += fill("chart-value-tick", {{"left", pixels_text(kLeft)},
                                     {"right", pixels_text(kRight)},
                                     {"y", pixels_text(y)},
                                     {"text_x", pixels_text(kLeft - 8)},
                                     {"text_y", pixels_text(y + 4)},
                                     {"text", chart.tick_text(tick)}});
  }
  return svg;
}

Html epoch_axis(const Frame& frame) {
  Html svg = fill("chart-axis",
                  {{"left", pixels_text(kLeft)}, {"bottom", pixels_text(kBottom)}, {"right", pixels_text(kRight)}});
  for (const double tick : round_ticks({frame.epochs.low + 1, frame.epochs.high + 1}, kEpochTicks)) {
    if (tick != std::floor(tick)) continue;
    svg += fill("chart-epoch-tick", {{"x", pixels_text(frame.x.place(tick - 1))},
                                     {"bottom", pixels_text(kBottom)},
                                     {"text_y", pixels_text(kBottom + 19)},
                                     {"text", fmt::format("{:.0f}", tick)}});
  }
  return svg + fill("chart-axis-name",
                    {{"x", pixels_text((kLeft + kRight) / 2)}, {"y", pixels_text(kHeight - 6)}, {"text", "epoch"}});
}

// The points that a picture can show, in their order: of those that share a pixel's column the first, the lowest, the
// highest and the last, and one that cannot be drawn (Jugel et al., M4: A Visualization-Oriented Time Series Data
// Aggregation, 2014). A run of 100,000 epochs is then hardly larger to draw than one of 2,000.
std::vector<ChartPoint> visible_points(const Chart& chart, const ChartLine& line, const Frame& frame) {
  constexpr size_t kFewPoints = 2000;
  const std::vector<ChartPoint>& points = line.points;
  if (points.size() <= kFewPoints) return points;
  std::vector<ChartPoint> visible;
  for (size_t begin = 0, end = 0; begin < points.size(); begin = end) {
    std::array<size_t, 5> kept{begin, begin, begin, begin, begin};
    auto& [first, lowest, highest, gap, last] = kept;
    const double column = std::floor(frame.x.place(points[begin].epoch));
    for (; end < points.size() && std::floor(frame.x.place(points[end].epoch)) == column; last = end++) {
      const auto drawn = [&](size_t i) { return can_be_drawn(chart, points[i].value); };
      if (!drawn(end)) {
        gap = end;
        continue;
      }
      if (!drawn(lowest) || points[end].value < points[lowest].value) lowest = end;
      if (!drawn(highest) || points[end].value > points[highest].value) highest = end;
    }
    std::sort(kept.begin(), kept.end());
    auto* const stop = std::unique(kept.begin(), kept.end());
    std::for_each(kept.begin(), stop, [&](size_t i) { visible.push_back(points[i]); });
  }
  return visible;
}

// The line's stretches of drawable values. One that stands alone is drawn as a dot, one that is not a number as a cross
// below.
Html line_svg(const Chart& chart, const ChartLine& line, const Frame& frame) {
  std::string path;
  Html crosses;
  Html dots;
  bool pen_down = false;
  const std::vector<ChartPoint> points = visible_points(chart, line, frame);
  for (size_t i = 0; i < points.size(); ++i) {
    const double value = points[i].value;
    const double x = frame.x.place(points[i].epoch);
    if (!can_be_drawn(chart, value)) {
      crosses += fill("chart-cross", {{"x", pixels_text(x - 3.5)}, {"y", pixels_text(kBottom - 11)}});
      pen_down = false;
      continue;
    }
    const double y = frame.y.place(value);
    const bool alone = !pen_down && (i + 1 == points.size() || !can_be_drawn(chart, points[i + 1].value));
    if (alone) dots += fill("chart-dot", {{"x", pixels_text(x)}, {"y", pixels_text(y)}});
    if (pen_down && chart.stepped) path += "H" + pixels_text(x);
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', x, y);
    pen_down = true;
  }
  return fill("chart-line", {{"style", line.style}, {"path", path}, {"dots", dots}, {"crosses", crosses}});
}

Html mark_svg(const ChartMark& mark, const Frame& frame) {
  const std::string path = mark_path(mark.shape, frame.x.place(mark.at.epoch), frame.y.place(mark.at.value));
  return fill("chart-mark", {{"style", mark.style}, {"path", path}, {"text", mark.text}});
}

// What the lines say at one epoch, beside a vertical rule.
struct Readout {
  std::vector<std::string> texts;
  Html dots;
};

std::map<int, Readout> readouts(const Chart& chart, const Frame& frame) {
  std::map<int, Readout> by_epoch;
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& point : line.points) {
      Readout& readout = by_epoch[point.epoch];
      const std::string value = std::isfinite(point.value) ? chart.value_text(point.value) : "not a number";
      readout.texts.push_back(line.name.empty() ? value : fmt::format("{} {}", line.name, value));
      if (!can_be_drawn(chart, point.value)) continue;
      readout.dots += fill("chart-line-dot", {{"style", line.style},
                                              {"x", pixels_text(frame.x.place(point.epoch))},
                                              {"y", pixels_text(frame.y.place(point.value))}});
    }
  }
  return by_epoch;
}

// Length in letters, not in bytes.
size_t letters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

// The column of an epoch: what catches the pointer, and what then shows itself.
Html column_svg(int epoch, const Readout& readout, double x, double reach) {
  std::vector<std::string> texts = {epoch_name(epoch)};
  texts.insert(texts.end(), readout.texts.begin(), readout.texts.end());
  size_t longest = 0;
  for (const std::string& text : texts) longest = std::max(longest, letters(text));
  const double width = kLetterWidth * static_cast<double>(longest) + 16;
  const double box = x + 10 + width > kRight ? std::max(x - 10 - width, 0.0) : x + 10;
  const double left = std::max(x - reach, kLeft);
  Html lines;
  for (const std::string& text : texts)
    lines += fill("chart-readout", {{"x", pixels_text(box + 8)}, {"height", pixels_text(kLineHeight)}, {"text", text}});
  return fill("chart-column", {{"left", pixels_text(left)},
                               {"top", pixels_text(kTop)},
                               {"width", pixels_text(std::min(x + reach, kRight) - left)},
                               {"height", pixels_text(kBottom - kTop)},
                               {"title", fmt::format("{}", fmt::join(texts, ", "))},
                               {"x", pixels_text(x)},
                               {"bottom", pixels_text(kBottom)},
                               {"dots", readout.dots},
                               {"box_x", pixels_text(box)},
                               {"box_width", pixels_text(width)},
                               {"box_height", pixels_text(kLineHeight * static_cast<double>(texts.size()) + 9)},
                               {"text_y", pixels_text(kTop + 2)},
                               {"lines", lines}});
}

Html readouts_svg(const Chart& chart, const Frame& frame) {
  const std::map<int, Readout> all = readouts(chart, frame);
  const int stride = static_cast<int>(all.size()) / kMostReadouts + 1;
  const double reach = stride * (frame.x.place(frame.epochs.low + 1) - frame.x.place(frame.epochs.low)) / 2;
  Html svg;
  for (const auto& [epoch, readout] : all)
    if (epoch % stride == 0) svg += column_svg(epoch, readout, frame.x.place(epoch), reach);
  return svg;
}

}  // namespace

std::string mark_path(MarkShape shape, double x, double y) {
  switch (shape) {
    case MarkShape::kLowestLoss:
      return fmt::format("M{:.1f} {:.1f}l-7.5 -12.5h15z", x, y - 4);
    case MarkShape::kHighestAccuracy:
      return fmt::format("M{:.1f} {:.1f}l-7.5 12.5h15z", x, y + 4);
    case MarkShape::kKeptWeights:
      break;
  }
  return fmt::format("M{:.1f} {:.1f}a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z", x - 6, y);
}

bool has_values(const Chart& chart) {
  return any_point(chart, [&chart](double value) { return can_be_drawn(chart, value); });
}

bool has_gaps(const Chart& chart) {
  return any_point(chart, [&chart](double value) { return !can_be_drawn(chart, value); });
}

Html chart_svg(const Chart& chart) {
  if (!has_values(chart)) return fill("absent", {{"text", "Nothing to draw: no value yet that is a number."}});
  const Frame frame = frame_of(chart);
  Html parts = value_grid(chart, frame) + epoch_axis(frame);
  for (const ChartLine& line : chart.lines) parts += line_svg(chart, line, frame);
  for (const ChartMark& mark : chart.marks)
    if (can_be_drawn(chart, mark.at.value)) parts += mark_svg(mark, frame);
  parts += readouts_svg(chart, frame);
  return fill("chart", {{"width", fmt::format("{}", kWidth)},
                        {"height", fmt::format("{}", kHeight)},
                        {"description", chart.description},
                        {"parts", parts}});
}

}  // namespace fer_ddp
