#include "report/page/calibration_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/statistics.h"
#include "core/text.h"
#include "report/calibration.h"
#include "report/page/chart_axis.h"
#include "report/page/curve_marks.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

constexpr double kWidth = 420;
constexpr double kHeight = 300;
constexpr double kLeft = 58;
constexpr double kRight = kWidth - 24;
constexpr double kTop = 14;
constexpr double kBottom = kHeight - 44;

const ChartAxis& across() {
  static const ChartAxis kAxis({0, 1}, kLeft, kRight);
  return kAxis;
}

const ChartAxis& up() {
  static const ChartAxis kAxis({0, 1}, kBottom, kTop);
  return kAxis;
}

Html value_tick(double y, const std::string& text) {
  return fill("chart-value-tick", {{"left", pixels_text(kLeft)},
                                   {"right", pixels_text(kRight)},
                                   {"y", pixels_text(y)},
                                   {"text_x", pixels_text(kLeft - 8)},
                                   {"text_y", pixels_text(y + 4)},
                                   {"text", text}});
}

Html probability_axis() {
  Html svg = fill("chart-axis",
                  {{"left", pixels_text(kLeft)}, {"bottom", pixels_text(kBottom)}, {"right", pixels_text(kRight)}});
  for (int percent = 0; percent <= 100; percent += 20)
    svg += fill("chart-epoch-tick", {{"x", pixels_text(across().place(percent / 100.0))},
                                     {"bottom", pixels_text(kBottom)},
                                     {"text_y", pixels_text(kBottom + 19)},
                                     {"text", fmt::format("{}\u00a0%", percent)}});
  return svg + fill("chart-axis-name", {{"x", pixels_text((kLeft + kRight) / 2)},
                                        {"y", pixels_text(kHeight - 6)},
                                        {"text", "probability of what it says"}});
}

Html svg(const std::string& description, const Html& parts) {
  return fill("square-chart", {{"width", fmt::format("{}", kWidth)},
                               {"height", fmt::format("{}", kHeight)},
                               {"description", description},
                               {"parts", parts}});
}

std::string bin_words(const CalibrationBin& bin) {
  return fmt::format("{} images called with {} to {}: {} right, mean probability {}", grouped(bin.images),
                     percent_text(bin.low, 0), percent_text(bin.high, 0), percent_text(bin.share_right()),
                     percent_text(bin.mean_probability));
}

// A bar of how often it is right, the gap to how sure it is, and the interval of the former.
Html reliability_bin(const CalibrationBin& bin, const std::string& style) {
  const double left = across().place(bin.low) + 1;
  const double width = across().place(bin.high) - left - 1;
  const double right_y = up().place(bin.share_right());
  const double sure_y = up().place(bin.mean_probability);
  const ShareInterval interval = wilson_interval(bin.right, bin.images);
  return fill("reliability-bin", {{"style", style},
                                  {"x", pixels_text(left)},
                                  {"width", pixels_text(width)},
                                  {"y", pixels_text(right_y)},
                                  {"height", pixels_text(kBottom - right_y)},
                                  {"gap_y", pixels_text(std::min(right_y, sure_y))},
                                  {"gap_height", pixels_text(std::abs(right_y - sure_y))},
                                  {"middle", pixels_text(left + width / 2)},
                                  {"low", pixels_text(up().place(interval.low))},
                                  {"high", pixels_text(up().place(interval.high))},
                                  {"text", bin_words(bin)}});
}

Html reliability_chart(const Calibration& calibration, const std::string& style) {
  Html parts;
  for (int percent = 0; percent <= 100; percent += 20)
    parts += value_tick(up().place(percent / 100.0), fmt::format("{}\u00a0%", percent));
  for (const CalibrationBin& bin : calibration.bins)
    if (bin.images > 0) parts += reliability_bin(bin, style);
  parts += fill("diagonal", {{"left", pixels_text(kLeft)},
                             {"bottom", pixels_text(kBottom)},
                             {"right", pixels_text(kRight)},
                             {"top", pixels_text(kTop)}});
  return svg("How often it is right, by the probability of what it says", parts + probability_axis());
}

Html count_chart(const Calibration& calibration, const std::string& style) {
  int64_t most = 0;
  for (const CalibrationBin& bin : calibration.bins) most = std::max(most, bin.images);
  const Interval range{0, static_cast<double>(most) * 1.05};
  const ChartAxis counts(range, kBottom, kTop);
  Html parts;
  for (const double tick : round_ticks(range, 5)) parts += value_tick(counts.place(tick), grouped_rounded(tick));
  for (const CalibrationBin& bin : calibration.bins) {
    if (bin.images == 0) continue;
    const double left = across().place(bin.low) + 1;
    const double top = counts.place(static_cast<double>(bin.images));
    parts += fill("count-bin", {{"style", style},
                                {"x", pixels_text(left)},
                                {"y", pixels_text(top)},
                                {"width", pixels_text(across().place(bin.high) - left - 1)},
                                {"height", pixels_text(kBottom - top)},
                                {"text", bin_words(bin)}});
  }
  return svg("How many images, by the probability of what it says", parts + probability_axis());
}

std::string error_words(const Calibration& calibration) {
  return fmt::format("expected calibration error {}", percent_text(calibration.expected_error));
}

std::string sureness_words(const Calibration& calibration) {
  const double over = 100 * (calibration.mean_probability - calibration.accuracy);
  return fmt::format(
      "What it says has a mean probability of {} and is right for {} of the images: it is {:.1f} points {} of itself. "
      "Bars show how often it is right; what fills the space to the mean probability is the error, {} on average "
      "(expected calibration error, 15 bins). On the dashed line it would be exactly as right as it is sure.",
      percent_text(calibration.mean_probability), percent_text(calibration.accuracy), std::abs(over),
      over >= 0 ? "too sure" : "not sure enough", percent_text(calibration.expected_error));
}

Html figure(const Html& name, const std::string& note, const Html& chart) {
  return fill("calibration-figure", {{"name", name}, {"note", note}, {"chart", chart}});
}

Html title(const char* text) { return fill("calibration-title", {{"title", text}}); }

}  // namespace

Html calibration_section(std::span<const ReportRun> runs) {
  Html figures;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::optional<Calibration> calibration = calibration_of(runs[i].predictions);
    if (!calibration) continue;
    if (runs.size() == 1)
      return fill("calibration", {{"words", sureness_words(*calibration)},
                                  {"figures", figure(title("Right when it is sure?"), error_words(*calibration),
                                                     reliability_chart(*calibration, "validation")) +
                                                  figure(title("How often it is how sure"),
                                                         fmt::format("{} test images", grouped(calibration->images)),
                                                         count_chart(*calibration, "validation"))}});
    figures += figure(fill("calibration-run", {{"style", run_style(i)}, {"name", runs[i].name}}),
                      error_words(*calibration), reliability_chart(*calibration, run_style(i)));
  }
  if (figures.empty()) return {};
  return fill(
      "calibration-several",
      {{"words",
        "Bars show how often a run is right, by how probable it calls what it says; what fills the space to the "
        "mean probability is the error. On the dashed line a run would be exactly as right as it is sure."},
       {"figures", figures}});
}

}  // namespace fer_ddp
