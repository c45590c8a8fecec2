#include "report/page/chart_axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace fer_ddp {

namespace {

constexpr double kRoom = 0.08;  // of the values' extent, above and below them

std::optional<Interval> extent(std::span<const double> values, bool positive_only) {
  std::optional<Interval> range;
  for (const double value : values) {
    if (!std::isfinite(value) || (positive_only && value <= 0)) continue;
    if (!range) range = Interval{value, value};
    range = Interval{std::min(range->low, value), std::max(range->high, value)};
  }
  return range;
}

bool inside(double value, Interval interval) {
  const double tolerance = 1e-9 * (interval.high - interval.low);
  return value >= interval.low - tolerance && value <= interval.high + tolerance;
}

std::vector<double> scaled_powers_of_ten(Interval interval, std::span<const double> factors) {
  std::vector<double> ticks;
  const int last = static_cast<int>(std::ceil(std::log10(interval.high)));
  for (int power = static_cast<int>(std::floor(std::log10(interval.low))); power <= last; ++power) {
    for (const double factor : factors) {
      const double tick = factor * std::pow(10.0, power);
      if (inside(tick, interval)) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

Interval axis_interval(std::span<const double> values, ChartScale scale) {
  const bool logarithmic = scale == ChartScale::kLogarithmic;
  const std::optional<Interval> range = extent(values, logarithmic);
  if (!range) return logarithmic ? Interval{0.1, 1} : Interval{0, 1};
  if (logarithmic) return {range->low / 1.3, range->high * 1.3};
  const double low = scale == ChartScale::kFromZero ? std::min(range->low, 0.0) : range->low;
  double room = kRoom * (range->high - low);
  if (room == 0) room = range->high == 0 ? 1 : 0.1 * std::abs(range->high);
  return {scale == ChartScale::kFromZero ? low : low - room, range->high + room};
}

std::vector<double> round_ticks(Interval interval, int wanted) {
  const double rough = (interval.high - interval.low) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * 0.999) step = factor * power;
  }
  std::vector<double> ticks;
  for (double index = std::ceil(interval.low / step - 1e-9); inside(index * step, interval); ++index) {
    ticks.push_back(index * step + 0.0);  // 0.0 and not -0.0
  }
  return ticks;
}

std::vector<double> logarithmic_ticks(Interval interval) {
  std::vector<double> ticks = scaled_powers_of_ten(interval, std::array{1.0});
  return ticks.size() >= 2 ? ticks : scaled_powers_of_ten(interval, std::array{1.0, 2.0, 5.0});
}

ChartAxis::ChartAxis(Interval interval, double low_end, double high_end, bool logarithmic)
    : interval_(interval), low_end_(low_end), high_end_(high_end), logarithmic_(logarithmic) {}

double ChartAxis::place(double value) const {
  const double share = logarithmic_ ? std::log(value / interval_.low) / std::log(interval_.high / interval_.low)
                                    : (value - interval_.low) / (interval_.high - interval_.low);
  return low_end_ + share * (high_end_ - low_end_);
}

}  // namespace fer_ddp
