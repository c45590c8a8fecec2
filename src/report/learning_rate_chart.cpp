#include "report/learning_rate_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "report/page/chart_axis.h"
#include "report/page/html.h"

namespace fer_ddp {

namespace {

constexpr int kLinesOfDecade = 4;
constexpr double kBarWidth = 48;

constexpr double kWidth = 900;
constexpr double kHeight = 520;
constexpr double kLeft = 64;
constexpr double kRight = kWidth - 24;
constexpr double kTop = 96;
constexpr double kBottom = kHeight - 56;
constexpr int kLossTicks = 8;
constexpr double kMostTimesStart = 1.25;  // of the first loss: what is drawn of a curve that shoots up

std::string rate_text(double rate) { return fmt::format("{:.2g}", rate); }

// The place of the largest rate that is not above `rate`, as near as rounding allows.
size_t place_of(const LearningRateCurve& curve, double rate) {
  const auto above = std::upper_bound(curve.rates.begin(), curve.rates.end(), rate * (1 + 1e-9));
  return static_cast<size_t>(std::max<ptrdiff_t>(above - curve.rates.begin() - 1, 0));
}

bool is_within(const LearningRateCurve& curve, double rate) {
  return rate >= curve.rates.front() * (1 - 1e-9) && rate <= curve.rates.back() * (1 + 1e-9);
}

// The places of kLinesOfDecade rates of each power of ten.
std::vector<size_t> shown_places(const LearningRateCurve& curve) {
  const double decades = std::log10(curve.rates.back() / curve.rates.front());
  const int lines = std::max(1, static_cast<int>(std::round(decades * kLinesOfDecade)));
  std::vector<size_t> places;
  for (int i = 0; i <= lines; ++i) {
    const size_t place = i * (curve.rates.size() - 1) / static_cast<size_t>(lines);
    if (places.empty() || place > places.back()) places.push_back(place);
  }
  return places;
}

struct Losses {
  double lowest;
  double highest;
};

// What there is room for.
Losses range_of(const RangeTestReport& report) {
  const std::vector<double>& losses = report.curve.smoothed;
  if (losses.empty()) return {0, 1};
  const double lowest = *std::min_element(losses.begin(), losses.end());
  const double highest = *std::max_element(losses.begin(), losses.end());
  return {lowest, std::min(highest, kMostTimesStart * losses.front())};
}

std::string bars(const RangeTestReport& report) {
  const LearningRateCurve& curve = report.curve;
  const auto [lowest, highest] = range_of(report);
  std::string text = "    rate     loss\n";
  const std::vector<size_t> places = shown_places(curve);
  for (size_t i = 0; i < places.size(); ++i) {
    const size_t end = i + 1 < places.size() ? places[i + 1] : curve.rates.size();
    const double loss = curve.smoothed[places[i]];
    const double share = highest > lowest ? std::clamp((loss - lowest) / (highest - lowest), 0.0, 1.0) : 0.0;
    std::string line = fmt::format("{:8.1e}{:9.4f}  {}", curve.rates[places[i]], loss,
                                   std::string(static_cast<size_t>(1 + share * (kBarWidth - 1)), '#'));
    const auto note = [&](std::optional<double> rate, const char* words) {
      if (!rate || !is_within(curve, *rate)) return;
      const size_t place = place_of(curve, *rate);
      if (place >= places[i] && place < end) line += fmt::format("  <- {}", words);
    };
    note(report.advice.suggestion, "suggested");
    note(report.advice.worse_from, "worse from here");
    note(report.learning_rate, "the configuration's");
    text += line + "\n";
  }
  return text;
}

std::string worse_words(const RangeTestReport& report) {
  const LearningRateAdvice& advice = report.advice;
  if (!advice.worse_from) return fmt::format("does not get worse up to {}", rate_text(report.curve.rates.back()));
  const std::string from = fmt::format("gets worse from {} on: there", rate_text(*advice.worse_from));
  switch (advice.worse_because) {
    case WorseBecause::kRises:
      return from + " the loss rises";
    case WorseBecause::kCollapses:
      return fmt::format("{} the network begins to collapse to a constant answer, whose loss is {:.4f}", from,
                         report.constant_answer.value_or(0));
    case WorseBecause::kDiverges:
      break;
  }
  return from + " the training diverges";
}

std::string advice_words(const RangeTestReport& report) {
  const LearningRateAdvice& advice = report.advice;
  if (!advice.suggestion) return fmt::format("no suggestion: {}\n", advice.why_none);
  return fmt::format("suggested learning_rate: {}\n  The loss has stopped falling at {} ({:.4f}), and {}.\n",
                     rate_text(*advice.suggestion), rate_text(advice.bottom), advice.bottom_loss, worse_words(report));
}

class Drawing {
 public:
  explicit Drawing(const RangeTestReport& report)
      : report_(report),
        rates_{report.curve.rates.front(), report.curve.rates.back()},
        losses_(interval(report)),
        x_(rates_, kLeft, kRight, true),
        y_(losses_, kBottom, kTop) {}

  [[nodiscard]] std::string svg() const {
    return fmt::format(
               R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" )"
               R"(font-family="system-ui, sans-serif" font-size="14"><rect width="{0}" height="{1}" fill="#fff"/>)"
               R"(<text x="{2}" y="32" font-size="20" font-weight="600">{3}</text>)"
               R"(<text x="{2}" y="56" fill="#555">{4}</text>)",
               kWidth, kHeight, kLeft, escape_html(title()), escape_html(report_.words)) +
           worse() + grid() + curve() + marks() + "</svg>\n";
  }

 private:
  // Of what is drawn: neither what shoots up at the end nor single losses make the rest flat.
  static Interval interval(const RangeTestReport& report) {
    const auto [lowest, highest] = range_of(report);
    std::vector<double> shown = {lowest, highest};
    if (report.constant_answer) shown.push_back(*report.constant_answer);
    return axis_interval(shown, ChartScale::kTight);
  }

  [[nodiscard]] std::string title() const {
    if (!report_.advice.suggestion) return fmt::format("{}: no learning rate suggested", report_.run);
    return fmt::format("{}: suggested learning rate {}", report_.run, rate_text(*report_.advice.suggestion));
  }

  [[nodiscard]] std::string worse() const {
    if (!report_.advice.worse_from) return {};
    const double left = x_.place(*report_.advice.worse_from);
    return fmt::format(R"(<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="#e8590c" fill-opacity=".1"/>)", left,
                       kTop, kRight - left, kBottom - kTop);
  }

  [[nodiscard]] std::string grid() const {
    std::string svg;
    for (const double tick : round_ticks(losses_, kLossTicks))
      svg += fmt::format(
          R"(<path stroke="#ddd" d="M{0} {1:.1f}H{2}"/><text x="{3}" y="{4:.1f}" text-anchor="end" fill="#555">{5:.4g}</text>)",
          kLeft, y_.place(tick), kRight, kLeft - 8, y_.place(tick) + 5, tick);
    for (const double tick : logarithmic_ticks(rates_))
      svg += fmt::format(
          R"(<path stroke="#ddd" d="M{0:.1f} {1}V{2}"/><text x="{0:.1f}" y="{3}" text-anchor="middle" fill="#555">{4:.2g}</text>)",
          x_.place(tick), kTop, kBottom, kBottom + 20, tick);
    return svg + fmt::format(R"(<text x="{}" y="{}" text-anchor="middle" fill="#555">learning rate</text>)",
                             (kLeft + kRight) / 2, kHeight - 12);
  }

  // What shoots up leaves the frame at its upper edge.
  [[nodiscard]] std::string curve() const {
    std::string svg;
    std::string path;
    bool pen_down = false;
    for (size_t k = 0; k < report_.curve.losses.size(); ++k) {
      const double x = x_.place(report_.curve.rates[k]);
      const double loss = report_.curve.losses[k];
      const double smoothed = report_.curve.smoothed[k];
      if (loss <= losses_.high && loss >= losses_.low)
        svg += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="1.8" fill="#999"/>)", x, y_.place(loss));
      const bool is_above = smoothed > losses_.high;
      if (pen_down || !is_above) path += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', x, y_.place(smoothed));
      pen_down = !is_above;
    }
    return svg + fmt::format(
                     R"(<path fill="none" stroke="#0b7285" stroke-width="2.5" stroke-linejoin="round" d="{}"/>)", path);
  }

  [[nodiscard]] std::string marks() const {
    std::string svg;
    if (report_.constant_answer)
      svg += fmt::format(
          R"(<path stroke="#555" stroke-dasharray="2 4" d="M{0} {1:.1f}H{2}"/><text x="{3}" y="{4:.1f}" fill="#555">a constant answer</text>)",
          kLeft, y_.place(*report_.constant_answer), kRight, kLeft + 6, y_.place(*report_.constant_answer) - 5);
    svg += rule(report_.learning_rate, "#7048e8", "as configured", kTop - 6);
    if (report_.advice.worse_from) svg += rule(*report_.advice.worse_from, "#e8590c", "worse from here", kTop + 14);
    if (report_.advice.suggestion) svg += rule(*report_.advice.suggestion, "#0b7285", "suggested", kTop - 6);
    return svg;
  }

  // A line down at a rate, and what it stands for, on the side where there is room.
  [[nodiscard]] std::string rule(double rate, const char* colour, const char* words, double text_y) const {
    if (!is_within(report_.curve, rate)) return {};
    const double x = x_.place(rate);
    const bool to_the_left = x > (kLeft + kRight) / 2 + 200;
    return fmt::format(
        R"(<path stroke="{0}" stroke-width="1.5" d="M{1:.1f} {2}V{3}"/><text x="{4:.1f}" y="{5}" fill="{0}" text-anchor="{6}">{7} {8}</text>)",
        colour, x, kTop - 6, kBottom, to_the_left ? x - 5 : x + 5, text_y, to_the_left ? "end" : "start", words,
        rate_text(rate));
  }

  const RangeTestReport& report_;
  Interval rates_;
  Interval losses_;
  ChartAxis x_;
  ChartAxis y_;
};

}  // namespace

std::string warning_of(const RangeTestReport& report) {
  const std::optional<double>& worse = report.advice.worse_from;
  if (!worse || report.learning_rate < *worse) return {};
  const std::optional<double>& suggestion = report.advice.suggestion;
  return fmt::format("learning_rate is {}, beyond {}, from which it gets worse: {}", rate_text(report.learning_rate),
                     rate_text(*worse),
                     suggestion ? rate_text(*suggestion) + " is suggested" : "a lower one is needed");
}

std::string range_test_text(const RangeTestReport& report) {
  std::string text = fmt::format("{}: {}\n", report.run, report.words);
  if (report.curve.rates.size() > 1) text += bars(report);
  text += advice_words(report);
  if (const std::string warning = warning_of(report); !warning.empty()) text += fmt::format("warning: {}\n", warning);
  return text;
}

std::string range_test_svg(const RangeTestReport& report) {
  if (report.curve.rates.size() > 1) return Drawing(report).svg();
  RangeTestReport empty = report;  // a frame, and why nothing is in it
  empty.words = report.advice.why_none;
  empty.curve = {.rates = {0.1, 1}, .losses = {}, .smoothed = {}};
  return Drawing(empty).svg();
}

}  // namespace fer_ddp
