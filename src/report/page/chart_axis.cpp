#include "report/page/chart_axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace fer_ddp {

namespace {

// Doubles of any size come here, so that the arithmetic is done with more room than theirs on both sides: the extent of
// -1e308 to 1e308 is no double, and neither is a share of the smallest one.
using Wide = long double;

constexpr Wide kRoom = 0.08L;         // of the values' extent, above and below them
constexpr Wide kRoomOfOne = 0.1L;     // of a single value, above and below it
constexpr Wide kNarrowest = 1e-4L;    // of the largest value: ticks that lie closer would read the same
constexpr Wide kSmallest = 1e-300L;   // what is nearer to 0 cannot be told from it
constexpr Wide kFactorOfRoom = 1.3L;  // on a logarithmic scale
constexpr int kMostPowers = 12;       // of ten that are labelled
constexpr int kFewTicks = 4;          // where the interval lies between such powers
constexpr Wide kTolerance = 1e-9L;    // of rounding, in steps between ticks

std::optional<Interval> extent(std::span<const double> values, bool positive_only) {
  std::optional<Interval> range;
  for (const double value : values) {
    if (!std::isfinite(value) || (positive_only && value <= 0)) continue;
    if (!range) range = Interval{value, value};
    range = Interval{std::min(range->low, value), std::max(range->high, value)};
  }
  return range;
}

double as_double(Wide value) {
  constexpr Wide kLargest = std::numeric_limits<double>::max();
  return static_cast<double>(std::clamp(value, -kLargest, kLargest));
}

bool can_bear_ticks(Interval interval) {
  return std::isfinite(interval.low) && std::isfinite(interval.high) && interval.low < interval.high;
}

// Adds the value to the ticks where it lies inside the axis and above the tick before it.
void add_tick(std::vector<double>& ticks, Wide value, Interval interval, Wide step) {
  const Wide tolerance = kTolerance * step;
  if (value < interval.low - tolerance || value > interval.high + tolerance) return;
  const double tick = as_double(value) + 0.0;  // 0.0 and not -0.0
  if (ticks.empty() || tick > ticks.back()) ticks.push_back(tick);
}

int power_of_ten_below(Wide value) { return static_cast<int>(std::floor(std::log10(value))); }

std::vector<double> scaled_powers_of_ten(Interval interval, std::span<const double> factors) {
  std::vector<double> ticks;
  const int first = power_of_ten_below(interval.low);
  const int last = power_of_ten_below(interval.high) + 1;
  const int stride = (last - first) / kMostPowers + 1;
  for (int power = first; power <= last; power += stride) {
    for (const double factor : factors) {
      const Wide tick = factor * std::pow(10.0L, power);
      add_tick(ticks, tick, interval, tick);
    }
  }
  return ticks;
}

Interval logarithmic_interval(Interval range) {
  const Wide low = std::max<Wide>(range.low, kSmallest);
  const Wide high = std::max<Wide>(range.high, kSmallest);
  return {as_double(low / kFactorOfRoom), as_double(high * kFactorOfRoom)};
}

}  // namespace

Interval axis_interval(std::span<const double> values, ChartScale scale) {
  const bool logarithmic = scale == ChartScale::kLogarithmic;
  const std::optional<Interval> range = extent(values, logarithmic);
  if (!range) return logarithmic ? Interval{0.1, 1} : Interval{0, 1};
  if (logarithmic) return logarithmic_interval(*range);
  const bool from_zero = scale == ChartScale::kFromZero;
  const Wide low = from_zero ? std::min(range->low, 0.0) : range->low;
  const Wide high = range->high;
  const Wide largest = std::max(std::abs(low), std::abs(high));
  if (largest < kSmallest) return {from_zero ? as_double(low) : -1.0, 1.0};
  const Wide room = low == high ? kRoomOfOne * largest : std::max(kRoom * (high - low), kNarrowest * largest);
  return {as_double(from_zero ? low : low - room), as_double(high + room)};
}

std::vector<double> round_ticks(Interval interval, int wanted) {
  if (!can_bear_ticks(interval)) return {};
  const Wide rough = (static_cast<Wide>(interval.high) - interval.low) / wanted;
  const Wide power = std::pow(10.0L, power_of_ten_below(rough));
  Wide step = 10 * power;
  for (const Wide factor : {5.0L, 2.0L, 1.0L}) {
    if (factor * power >= rough * 0.999L) step = factor * power;
  }
  // Counted, and not added up: next to a value that is large beside the step, adding one step changes nothing.
  const Wide first = std::ceil(interval.low / step - kTolerance);
  const int steps = static_cast<int>(std::floor(interval.high / step + kTolerance) - first);
  std::vector<double> ticks;
  for (int i = 0; i <= steps; ++i) add_tick(ticks, (first + i) * step, interval, step);
  return ticks;
}

std::vector<double> logarithmic_ticks(Interval interval) {
  if (!can_bear_ticks(interval) || interval.low <= 0) return {};
  std::vector<double> ticks = scaled_powers_of_ten(interval, std::array{1.0});
  if (ticks.size() < 2) ticks = scaled_powers_of_ten(interval, std::array{1.0, 2.0, 5.0});
  return ticks.size() >= 2 ? ticks : round_ticks(interval, kFewTicks);
}

ChartAxis::ChartAxis(Interval interval, double low_end, double high_end, bool logarithmic)
    : interval_(interval), low_end_(low_end), high_end_(high_end), logarithmic_(logarithmic) {}

double ChartAxis::place(double value) const {
  const Wide low = interval_.low;
  const Wide high = interval_.high;
  const Wide share = logarithmic_
                         ? (std::log(static_cast<Wide>(value)) - std::log(low)) / (std::log(high) - std::log(low))
                         : (value - low) / (high - low);
  return low_end_ + static_cast<double>(std::clamp(share, 0.0L, 1.0L)) * (high_end_ - low_end_);
}

}  // namespace fer_ddp
