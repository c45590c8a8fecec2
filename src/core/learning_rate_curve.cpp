#include "core/learning_rate_curve.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kSmoothedDecades = 0.1;
constexpr double kTolerance = 0.1;     // of the descent
constexpr double kStandardErrors = 4;  // of the difference of two smoothed losses
constexpr double kNewShare = 0.1;      // of a loss in the average that divergence is told by
constexpr double kMostTimesLowest = 4;
constexpr double kHalfDecade = 0.5;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double smoothed_steps(double steps_per_decade) { return std::max(1.0, kSmoothedDecades * steps_per_decade); }

// What two smoothed losses may differ by without meaning anything. The spread of single losses is taken from the
// differences of neighbours, by the median, which a few wild ones do not move; 4 t of them are in a smoothed one, t the
// steps of the smoothing.
double noise_of(const LearningRateCurve& curve, double steps_per_decade) {
  std::vector<double> differences;
  differences.reserve(curve.losses.size());
  for (size_t k = 1; k < curve.losses.size(); ++k)
    differences.push_back(std::abs(curve.losses[k] - curve.losses[k - 1]));
  constexpr double kMedianOfNormal = 0.6745;
  const double spread = median(std::move(differences)) / (kMedianOfNormal * std::sqrt(2.0));
  return kStandardErrors * std::sqrt(2.0) * spread / std::sqrt(4 * smoothed_steps(steps_per_decade));
}

// Divided by a whole number where it can be, so that it is the double which its digits stand for.
// Rounded down where the nearest one is above `most`.
double two_digits(double value, double most) {
  const double exponent = std::floor(std::log10(value)) - 1;
  const double unit = std::pow(10.0, exponent);
  double digits = std::round(value / unit);
  constexpr double kRounding = 1e-12;
  if (digits * unit > most * (1 + kRounding)) digits -= 1;
  return exponent < 0 ? digits / std::pow(10.0, -exponent) : digits * std::pow(10.0, exponent);
}

// Where a loss that does not fall rises: the first step that lies above the lowest loss before it by more than noise.
std::optional<size_t> rise_without_descent(const std::vector<double>& losses, double noise) {
  double lowest = losses.front();
  for (size_t k = 0; k < losses.size(); ++k) {
    if (losses[k] - lowest > noise) return k;
    lowest = std::min(lowest, losses[k]);
  }
  return std::nullopt;
}

struct Bottom {
  size_t begin = 0;
  size_t lowest = 0;
  double descent = 0;
  std::optional<size_t> worse_from{};
  WorseBecause worse_because = WorseBecause::kRises;
};

// Within [begin, end).
size_t lowest_of(const std::vector<double>& losses, size_t begin, size_t end) {
  const auto first = losses.begin() + static_cast<ptrdiff_t>(begin);
  const auto last = losses.begin() + static_cast<ptrdiff_t>(std::max(end, begin + 1));
  return static_cast<size_t>(std::min_element(first, last) - losses.begin());
}

// Looks at a smoothed curve for its bottom.
class BottomSearch {
 public:
  BottomSearch(const LearningRateCurve& curve, double noise, size_t half_decade)
      : losses_(curve.smoothed), noise_(noise), half_decade_(half_decade) {
    highest_.reserve(losses_.size());
    for (const double loss : losses_) highest_.push_back(std::max(loss, highest_.empty() ? loss : highest_.back()));
  }

  [[nodiscard]] Bottom find(std::optional<double> constant_answer) const {
    const size_t lowest = lowest_of(losses_, 0, losses_.size());
    const bool has_learnt = !constant_answer || losses_[lowest] < *constant_answer - tolerance_at(lowest);
    Bottom bottom;
    if (has_learnt) {
      bottom.lowest = lowest;
      bottom.worse_from = risen_from(lowest);
    } else {
      bottom.worse_from = risen_from(0);
      const std::optional<size_t> collapsed = collapsed_from(*constant_answer);
      if (collapsed && (!bottom.worse_from || *collapsed < *bottom.worse_from)) {
        bottom.worse_from = collapsed;
        bottom.worse_because = WorseBecause::kCollapses;
      }
      bottom.lowest = lowest_of(losses_, 0, bottom.worse_from.value_or(losses_.size()));
      if (bottom.worse_because == WorseBecause::kCollapses) bottom.lowest = rest_before(bottom.lowest);
    }
    bottom.descent = highest_[bottom.lowest] - losses_[bottom.lowest];
    while (losses_[bottom.begin] > losses_[bottom.lowest] + kTolerance * bottom.descent) ++bottom.begin;
    return bottom;
  }

 private:
  // Of the loss at its lowest so far.
  [[nodiscard]] double tolerance_at(size_t lowest) const {
    return std::max(kTolerance * (highest_[lowest] - losses_[lowest]), noise_);
  }

  // Where it lies above the lowest loss since `begin`, once it has fallen.
  [[nodiscard]] std::optional<size_t> risen_from(size_t begin) const {
    size_t lowest = begin;
    for (size_t k = begin; k < losses_.size(); ++k) {
      if (losses_[k] < losses_[lowest]) lowest = k;
      const bool has_fallen = highest_[lowest] - losses_[lowest] > noise_;
      if (has_fallen && losses_[k] - losses_[lowest] > tolerance_at(lowest)) return k;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<size_t> collapsed_from(double constant_answer) const {
    for (size_t k = 0; k < losses_.size(); ++k) {
      const bool has_fallen = highest_[k] - losses_[k] > noise_;
      if (has_fallen && losses_[k] < constant_answer + kTolerance * (highest_[k] - losses_[k])) return k;
    }
    return std::nullopt;
  }

  // Where the loss rests on its way down to `end`: over half a power of ten it falls by no more than D / 10. `end`
  // where it does not.
  [[nodiscard]] size_t rest_before(size_t end) const {
    for (size_t k = 0; k + half_decade_ < end; ++k) {
      if (highest_[k] - losses_[k] <= noise_) continue;
      const size_t lowest = lowest_of(losses_, k, k + half_decade_ + 1);
      if (losses_[k] - losses_[lowest] <= kTolerance * (highest_[k] - losses_[k])) return lowest;
    }
    return end;
  }

  const std::vector<double>& losses_;
  std::vector<double> highest_;  // so far
  double noise_;
  size_t half_decade_;  // in steps
};

Json number_or_null(std::optional<double> value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }

}  // namespace

std::vector<double> rising_rates(double from, double to, int steps) {
  std::vector<double> rates;
  rates.reserve(static_cast<size_t>(steps));
  for (int k = 0; k < steps; ++k) rates.push_back(from * std::pow(to / from, static_cast<double>(k) / (steps - 1)));
  return rates;
}

bool DivergenceWatch::diverges(double loss) {
  sum_ += kNewShare * (loss - sum_);
  weight_ += kNewShare * (1 - weight_);
  const double average = sum_ / weight_;
  if (!std::isfinite(average)) return true;
  lowest_ = std::min(lowest_.value_or(average), average);
  return average > kMostTimesLowest * *lowest_;
}

std::vector<double> smoothed_losses(const std::vector<double>& losses, double steps_per_decade) {
  const double keep = std::exp(-1 / smoothed_steps(steps_per_decade));
  std::vector<double> sums(losses.size());
  std::vector<double> weights(losses.size());
  // Each loss itself is in the first pass alone.
  double sum = 0;
  double weight = 0;
  for (size_t k = 0; k < losses.size(); ++k) {
    sums[k] = sum = keep * sum + losses[k];
    weights[k] = weight = keep * weight + 1;
  }
  sum = weight = 0;
  for (size_t k = losses.size(); k-- > 0;) {
    sums[k] += sum;
    weights[k] += weight;
    sum = keep * (sum + losses[k]);
    weight = keep * (weight + 1);
  }
  for (size_t k = 0; k < losses.size(); ++k) sums[k] /= weights[k];
  return sums;
}

LearningRateCurve mean_curve(const std::vector<double>& rates, const std::vector<std::vector<double>>& trainings) {
  size_t steps = rates.size();
  for (const std::vector<double>& training : trainings) steps = std::min(steps, training.size());
  LearningRateCurve curve{.rates = {rates.begin(), rates.begin() + static_cast<ptrdiff_t>(steps)},
                          .losses = std::vector<double>(steps),
                          .smoothed = {},
                          .diverged = steps < rates.size()};
  for (const std::vector<double>& training : trainings) {
    for (size_t k = 0; k < steps; ++k) curve.losses[k] += training[k] / static_cast<double>(trainings.size());
  }
  // The loss that a training ended with says no more than that it did.
  while (!curve.losses.empty() && !std::isfinite(curve.losses.back())) {
    curve.losses.pop_back();
    curve.rates.pop_back();
    curve.diverged = true;
  }
  curve.smoothed = smoothed_losses(curve.losses, 1 / std::log10(rates[1] / rates[0]));
  return curve;
}

double constant_answer_loss(const ClassCounts& counts, double label_smoothing) {
  double loss = 0;
  const auto images = static_cast<double>(total(counts));
  for (const int64_t count : counts) {
    const double share = (1 - label_smoothing) * static_cast<double>(count) / images + label_smoothing / counts.size();
    if (share > 0) loss -= share * std::log(share);
  }
  return loss;
}

LearningRateAdvice advice_of(const LearningRateCurve& curve, std::optional<double> constant_answer) {
  LearningRateAdvice advice;
  constexpr size_t kFewest = 4;
  if (curve.rates.size() < kFewest) {
    advice.why_none = "the loss diverged within the first steps: begin with a lower rate";
    return advice;
  }
  const double steps_per_decade = 1 / std::log10(curve.rates[1] / curve.rates[0]);
  const double noise = noise_of(curve, steps_per_decade);
  const size_t last = curve.rates.size() - 1;
  const auto half_decade =
      static_cast<size_t>(std::min(kHalfDecade * steps_per_decade, static_cast<double>(curve.rates.size())));
  Bottom bottom = BottomSearch(curve, noise, half_decade).find(constant_answer);
  const bool ends_higher = curve.diverged || curve.smoothed.back() - curve.smoothed.front() > noise;
  if (bottom.descent <= noise && ends_higher) {
    advice.why_none = "the loss rises before it falls: take more steps, or end at a lower rate";
    const std::optional<size_t> rises = rise_without_descent(curve.smoothed, noise);
    advice.worse_from = curve.rates[rises.value_or(last)];
    advice.worse_because = rises ? WorseBecause::kRises : WorseBecause::kDiverges;
    return advice;
  }
  if (bottom.descent <= noise) {
    advice.why_none = "the loss does not fall: go on to a higher rate, or take more steps";
    return advice;
  }
  if (!bottom.worse_from && curve.diverged) {
    bottom.worse_from = last;
    bottom.worse_because = WorseBecause::kDiverges;
  }
  if (!bottom.worse_from && last - bottom.begin <= half_decade + 1) {
    advice.why_none = "the loss falls still at the end: go on to a higher rate";
    return advice;
  }
  advice.bottom = curve.rates[bottom.lowest];
  advice.bottom_loss = curve.smoothed[bottom.lowest];
  advice.worse_because = bottom.worse_because;
  double suggestion = std::pow(10.0, kHalfDecade) * curve.rates[bottom.begin];
  if (bottom.worse_from) {
    advice.worse_from = curve.rates[*bottom.worse_from];
    suggestion = std::min(suggestion, std::sqrt(advice.bottom * *advice.worse_from));
  }
  advice.suggestion = two_digits(std::min(suggestion, curve.rates.back()), curve.rates.back());
  return advice;
}

Json advice_to_json(const LearningRateCurve& curve, const LearningRateAdvice& advice,
                    std::optional<double> constant_answer) {
  Json points = Json::array();
  for (size_t k = 0; k < curve.rates.size(); ++k)
    points.push_back({{"learning_rate", curve.rates[k]}, {"loss", curve.losses[k]}, {"smoothed", curve.smoothed[k]}});
  const bool known = advice.suggestion.has_value();
  constexpr std::array<const char*, 3> kBecause = {"rises", "collapses", "diverges"};
  return {{"suggestion", number_or_null(advice.suggestion)},
          {"why_none", known ? Json() : Json(advice.why_none)},
          {"bottom", known ? Json({{"learning_rate", advice.bottom}, {"loss", advice.bottom_loss}}) : Json()},
          {"worse_from", number_or_null(advice.worse_from)},
          {"worse_because", advice.worse_from ? Json(kBecause[static_cast<size_t>(advice.worse_because)]) : Json()},
          {"constant_answer_loss", number_or_null(constant_answer)},
          {"diverged", curve.diverged},
          {"curve", points}};
}

}  // namespace fer_ddp
