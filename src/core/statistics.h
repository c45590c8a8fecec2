// What counts of right and wrong images can say, and what is noise. Pure functions; the formula's source stands at
// each.
#pragma once

#include <cstdint>

namespace fer_ddp {

struct ShareInterval {
  double low = 0;
  double high = 1;
  friend bool operator==(const ShareInterval&, const ShareInterval&) = default;
};

// The 95 % interval of a share of which `successes` of `trials` were seen: Wilson's score interval (E. B. Wilson,
// Probable inference, the law of succession, and statistical inference, JASA 22, 1927), which stays within [0, 1] and
// holds its level for few trials and for shares near 0 and 1. Without trials, all of [0, 1].
[[nodiscard]] ShareInterval wilson_interval(int64_t successes, int64_t trials);

// Two classifiers on the same images: those that one of them alone gets right.
struct PairedCounts {
  int64_t only_first = 0;
  int64_t only_second = 0;
  friend bool operator==(const PairedCounts&, const PairedCounts&) = default;
};

// McNemar's test (Q. McNemar, Note on the sampling error of the difference between correlated proportions,
// Psychometrika 12, 1947), exact and two-sided: how likely two classifiers that are equally good would differ at least
// as much. Given n images on which just one of them is right, each has half of them by chance, so the p-value is twice
// the smaller tail of the binomial distribution of n and 1/2, at most 1. No approximation, however many images.
[[nodiscard]] double mcnemar_p(const PairedCounts& counts);

// The level at which a difference is called more than noise.
inline constexpr double kSignificance = 0.05;

}  // namespace fer_ddp
