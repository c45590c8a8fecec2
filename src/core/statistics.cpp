#include "core/statistics.h"

#include <algorithm>
#include <cmath>

namespace fer_ddp {

namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // of 0.975

}  // namespace

ShareInterval wilson_interval(int64_t successes, int64_t trials) {
  if (trials <= 0) return {};
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(successes) / n;
  const double square = kNormalQuantile * kNormalQuantile / n;
  const double centre = share + square / 2;
  const double spread = std::sqrt(share * (1 - share) * square + square * square / 4);
  return {std::max(0.0, (centre - spread) / (1 + square)), std::min(1.0, (centre + spread) / (1 + square))};
}

// The tail's terms are built up as logarithms, each from the one before: the smallest are far below what a double
// holds.
double mcnemar_p(const PairedCounts& counts) {
  const int64_t n = counts.only_first + counts.only_second;
  const int64_t smaller = std::min(counts.only_first, counts.only_second);
  double log_term = -static_cast<double>(n) * std::log(2.0);  // of none of n
  double tail = std::exp(log_term);
  for (int64_t k = 1; k <= smaller; ++k) {
    log_term += std::log(static_cast<double>(n - k + 1) / static_cast<double>(k));
    tail += std::exp(log_term);
  }
  return std::min(1.0, 2 * tail);
}

}  // namespace fer_ddp
