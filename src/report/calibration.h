// How sure a model is of what it says, against how often it is right then. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "report/predictions.h"

namespace fer_ddp {

// Predictions whose probability lies above `low`, and not above `high`.
struct CalibrationBin {
  double low = 0;
  double high = 0;
  int64_t images = 0;
  int64_t right = 0;
  double mean_probability = 0;  // of what was predicted; 0 without images

  [[nodiscard]] double share_right() const {
    return images == 0 ? 0 : static_cast<double>(right) / static_cast<double>(images);
  }
};

// In 15 bins of equal width, as C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On Calibration of Modern Neural
// Networks, ICML 2017, have it.
struct Calibration {
  std::vector<CalibrationBin> bins;
  int64_t images = 0;
  double accuracy = 0;
  double mean_probability = 0;
  // Their expected calibration error: the mean over the images of how far the accuracy of an image's bin is from its
  // mean probability.
  double expected_error = 0;
};

// None where no prediction has a probability.
[[nodiscard]] std::optional<Calibration> calibration_of(std::span<const TestPrediction> predictions);

}  // namespace fer_ddp
