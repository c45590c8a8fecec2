// The curve of a learning-rate range test and what follows from it: as lines of text, and as an SVG file of its own.
// Pure.
#pragma once

#include <optional>
#include <string>

#include "core/learning_rate_curve.h"

namespace fer_ddp {

// What is told of a range test.
struct RangeTestReport {
  std::string run;                          // its name
  std::string words;                        // "seed_cnn, 3 trainings of 300 steps of 32 images"
  double learning_rate = 0;                 // the configuration's own
  std::optional<double> constant_answer{};  // see constant_answer_loss()
  LearningRateCurve curve{};
  LearningRateAdvice advice{};
};

// Why the configuration's own rate is too high; empty where it is not.
[[nodiscard]] std::string warning_of(const RangeTestReport& report);

// The smoothed curve at a few rates of each power of ten as bars, then what is suggested, from where on it gets worse,
// and the warning.
[[nodiscard]] std::string range_test_text(const RangeTestReport& report);

// Losses as dots, smoothed as a line, over a logarithmic axis of rates, with the suggestion, the configuration's own
// rate and all that is worse marked.
[[nodiscard]] std::string range_test_svg(const RangeTestReport& report);

}  // namespace fer_ddp
