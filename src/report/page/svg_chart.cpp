#include "report/page/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
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

std::string value_grid(const Chart& chart, const Frame& frame) {
  std::string svg;
  const std::vector<double> ticks = chart.scale == ChartScale::kLogarithmic ? logarithmic_ticks(frame.values)
                                                                            : round_ticks(frame.values, kValueTicks);
  for (const double tick : ticks) {
    const double y = frame.y.place(tick);
    svg += fmt::format(
        R"(<path class="grid" d="M{} {:.1f}H{}"/><text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>)",
        kLeft, y, kRight, kLeft - 8, y + 4, escape_html(chart.tick_text(tick)));
  }
  return svg;
}

std::string epoch_axis(const Frame& frame) {
  std::string svg = fmt::format(R"(<path class="axis" d="M{} {}H{}"/>)", kLeft, kBottom, kRight);
  for (const double tick : round_ticks({frame.epochs.low + 1, frame.epochs.high + 1}, kEpochTicks)) {
    if (tick != std::floor(tick)) continue;
    const double x = frame.x.place(tick - 1);
    svg += fmt::format(
        R"(<path class="axis" d="M{0:.1f} {1}v5"/><text class="tick" x="{0:.1f}" y="{2}" text-anchor="middle">{3:.0f}</text>)",
        x, kBottom, kBottom + 19, tick);
  }
  svg += fmt::format(R"(<text class="tick" x="{}" y="{}" text-anchor="middle">epoch</text>)", (kLeft + kRight) / 2,
                     kHeight - 6);
  return svg;
}

// The line's stretches of drawable values. One that stands alone is drawn as a dot, one that is not a number as a cross
// below.
std::string line_svg(const Chart& chart, const ChartLine& line, const Frame& frame) {
  std::string path;
  std::string crosses;
  std::string dots;
  bool pen_down = false;
  for (size_t i = 0; i < line.points.size(); ++i) {
    const double value = line.points[i].value;
    const double x = frame.x.place(line.points[i].epoch);
    if (!can_be_drawn(chart, value)) {
      crosses += fmt::format(R"(<path class="cross" d="M{:.1f} {:.1f}l7 7m0 -7l-7 7"/>)", x - 3.5, kBottom - 11);
      pen_down = false;
      continue;
    }
    const double y = frame.y.place(value);
    const bool alone = !pen_down && (i + 1 == line.points.size() || !can_be_drawn(chart, line.points[i + 1].value));
    if (alone) dots += fmt::format(R"(<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="4"/>)", x, y);
    if (pen_down && chart.stepped) path += fmt::format("H{:.1f}", x);
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', x, y);
    pen_down = true;
  }
  return fmt::format(R"(<g class="{}"><path class="line" d="{}"/>{}{}</g>)", escape_html(line.style), path, dots,
                     crosses);
}

std::string mark_svg(const ChartMark& mark, const Frame& frame) {
  return fmt::format(R"(<path class="mark {}" d="{}"><title>{}</title></path>)", escape_html(mark.style),
                     mark_path(mark.shape, frame.x.place(mark.at.epoch), frame.y.place(mark.at.value)),
                     escape_html(mark.text));
}

// What the lines say at one epoch, beside a vertical rule.
struct Readout {
  std::vector<std::string> texts;
  std::string dots;
};

std::map<int, Readout> readouts(const Chart& chart, const Frame& frame) {
  std::map<int, Readout> by_epoch;
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& point : line.points) {
      Readout& readout = by_epoch[point.epoch];
      const std::string value = std::isfinite(point.value) ? chart.value_text(point.value) : "not a number";
      readout.texts.push_back(line.name.empty() ? value : fmt::format("{} {}", line.name, value));
      if (!can_be_drawn(chart, point.value)) continue;
      readout.dots += fmt::format(R"(<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="4"/>)", escape_html(line.style),
                                  frame.x.place(point.epoch), frame.y.place(point.value));
    }
  }
  return by_epoch;
}

// Length in letters, not in bytes.
size_t letters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

std::string readout_box(double x, const std::vector<std::string>& texts) {
  size_t longest = 0;
  for (const std::string& text : texts) longest = std::max(longest, letters(text));
  const double width = kLetterWidth * static_cast<double>(longest) + 16;
  const double left = x + 10 + width > kRight ? std::max(x - 10 - width, 0.0) : x + 10;
  std::string svg = fmt::format(
      R"(<rect class="box" x="{:.1f}" y="{}" width="{:.1f}" height="{}" rx="4"/><text class="readout" y="{}">)", left,
      kTop, width, kLineHeight * static_cast<double>(texts.size()) + 9, kTop + 2);
  for (const std::string& text : texts) {
    svg += fmt::format(R"(<tspan x="{:.1f}" dy="{}">{}</tspan>)", left + 8, kLineHeight, escape_html(text));
  }
  return svg + "</text>";
}

std::string readouts_svg(const Chart& chart, const Frame& frame) {
  const std::map<int, Readout> all = readouts(chart, frame);
  const int stride = static_cast<int>(all.size()) / kMostReadouts + 1;
  const double reach = stride * (frame.x.place(frame.epochs.low + 1) - frame.x.place(frame.epochs.low)) / 2;
  std::string svg;
  for (const auto& [epoch, readout] : all) {
    if (epoch % stride != 0) continue;
    const double x = frame.x.place(epoch);
    const double left = std::max(x - reach, kLeft);
    std::vector<std::string> texts = {epoch_name(epoch)};
    texts.insert(texts.end(), readout.texts.begin(), readout.texts.end());
    svg += fmt::format(R"(<g class="column"><rect class="catch" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>)", left,
                       kTop, std::min(x + reach, kRight) - left, kBottom - kTop);
    svg += fmt::format(R"(<g class="shown"><path class="cursor" d="M{:.1f} {}V{}"/>{}{}</g></g>)", x, kTop, kBottom,
                       readout.dots, readout_box(x, texts));
  }
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

std::string chart_svg(const Chart& chart) {
  if (!has_values(chart)) return R"(<p class="absent">Nothing to draw: no value yet that is a number.</p>)";
  const Frame frame = frame_of(chart);
  std::string svg = fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">)", kWidth,
                                kHeight, escape_html(chart.description));
  svg += value_grid(chart, frame) + epoch_axis(frame);
  for (const ChartLine& line : chart.lines) svg += line_svg(chart, line, frame);
  for (const ChartMark& mark : chart.marks) {
    if (can_be_drawn(chart, mark.at.value)) svg += mark_svg(mark, frame);
  }
  return svg + readouts_svg(chart, frame) + "</svg>";
}

}  // namespace fer_ddp
