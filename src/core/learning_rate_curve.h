// What a learning-rate range test shows: the training loss of each step while the rate rises exponentially (Smith 2017,
// "Cyclical learning rates for training neural networks"), and the rate that it suggests. Pure, plain values.
//
// Smoothing: exponential moving averages forwards and backwards, joined, so that the curve does not lag; each value is
// weighted by exp(-d / 0.1), d its distance in powers of ten of the rate, and divided by the sum of the weights.
//
// Suggestion, by the smoothed loss, which in the course of the test has fallen by D so far (it rises, or lies lower
// than something, by more than D / 10 and 4 standard errors of a difference):
//   - The network has learnt if the loss comes to lie lower than that of a constant answer. Then `bottom` is where it
//   is
//     lowest, and it gets worse from where it has risen again.
//   - If not, it gets worse from where it first rises, or where it first comes within D / 10 of the loss of a constant
//     answer: that is a network which answers nothing else any more. `bottom` is where the loss is lowest before; on
//     the way to a constant answer, where it first rests, falling by no more than D / 10 over half a power of ten.
//   - The bottom begins at the first rate whose loss is within D / 10 of the lowest there.
//   - Suggested is the rate in the middle, on the logarithmic scale, between the bottom and where it gets worse, but at
//     most sqrt(10) times the rate at which the bottom begins: how wide a bottom is says little of where long trainings
//     end.
// The usual rules (a tenth of the lowest loss' rate, the steepest descent, the longest valley) look for one descent.
// The study's network has two, of which the second, deeper one is its collapse, and they land in that.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/expressions.h"

namespace fer_ddp {

struct LearningRateCurve {
  std::vector<double> rates;     // rising, by one factor from step to step
  std::vector<double> losses;    // mean over the images of each step; of several trainings, their mean
  std::vector<double> smoothed;  // of the losses
  bool diverged = false;         // it ends before the last rate that was asked for
};

// `steps` (at least 2) rates from `from` to `to`, both included.
[[nodiscard]] std::vector<double> rising_rates(double from, double to, int steps);

// Of trainings that took the first of `rates`, one loss a step (at least one): up to the end of the shortest.
[[nodiscard]] LearningRateCurve mean_curve(const std::vector<double>& rates,
                                           const std::vector<std::vector<double>>& trainings);

// The smoothed losses of steps whose rates rise by that many to a power of ten.
[[nodiscard]] std::vector<double> smoothed_losses(const std::vector<double>& losses, double steps_per_decade);

// Tells when a training has diverged: its loss is not finite, or its bias-corrected exponential moving average (a tenth
// of each new loss) is more than four times its lowest.
class DivergenceWatch {
 public:
  [[nodiscard]] bool diverges(double loss);

 private:
  double sum_ = 0;
  double weight_ = 0;
  std::optional<double> lowest_;
};

// The cross-entropy of always answering the shares of the classes, with their targets smoothed: what any network can
// reach without looking at an image.
[[nodiscard]] double constant_answer_loss(const ClassCounts& counts, double label_smoothing);

enum class WorseBecause { kRises, kCollapses, kDiverges };

struct LearningRateAdvice {
  std::optional<double> suggestion;  // two significant digits, not beyond the last rate; none: see `why_none`
  std::string why_none;              // in words
  double bottom = 0;                 // the rate; it and its loss only where there is a suggestion
  double bottom_loss = 0;
  std::optional<double> worse_from{};  // none: it does not up to the last rate, or it is not known
  WorseBecause worse_because = WorseBecause::kRises;
};

// `constant_answer`: constant_answer_loss(); none where targets are not those of the classes alone.
[[nodiscard]] LearningRateAdvice advice_of(const LearningRateCurve& curve, std::optional<double> constant_answer);

// {"suggestion", "why_none", "bottom": {"learning_rate", "loss"}, "worse_from", "worse_because": "rises",
// "collapses" or "diverges", "constant_answer_loss", "diverged", "curve": [{"learning_rate", "loss", "smoothed"}]};
// what is not known is null.
[[nodiscard]] nlohmann::ordered_json advice_to_json(const LearningRateCurve& curve, const LearningRateAdvice& advice,
                                                    std::optional<double> constant_answer);

}  // namespace fer_ddp
