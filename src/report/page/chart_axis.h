// From values to places in a picture, and the round numbers that an axis is labelled with. Pure.
#pragma once

#include <span>
#include <vector>

namespace fer_ddp {

struct Interval {
  double low = 0;
  double high = 1;
};

enum class ChartScale { kTight, kFromZero, kLogarithmic };

// What an axis must cover to show `values` with a little room around them: finite, and low < high, for any doubles
// (above 0 where the scale is logarithmic). Values that are not finite do not count.
[[nodiscard]] Interval axis_interval(std::span<const double> values, ChartScale scale);

// About `wanted` multiples of 1, 2 or 5 times a power of ten, rising. None for an interval that is empty or not finite.
[[nodiscard]] std::vector<double> round_ticks(Interval interval, int wanted);

// Powers of ten; where there are fewer than two of them, twice and five times each as well, or round numbers; where
// there are very many, each second or third alone. None for an interval that does not lie above 0.
[[nodiscard]] std::vector<double> logarithmic_ticks(Interval interval);

class ChartAxis {
 public:
  // `interval.low` lies at pixel `low_end`, `interval.high` at `high_end`.
  ChartAxis(Interval interval, double low_end, double high_end, bool logarithmic = false);

  // Between the two ends, also for a value outside of the interval.
  [[nodiscard]] double place(double value) const;

 private:
  Interval interval_;
  double low_end_;
  double high_end_;
  bool logarithmic_;
};

}  // namespace fer_ddp
