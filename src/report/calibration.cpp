#include "report/calibration.h"

#include <algorithm>
#include <cmath>

namespace fer_ddp {

namespace {

constexpr int kBins = 15;

}  // namespace

std::optional<Calibration> calibration_of(std::span<const TestPrediction> predictions) {
  Calibration calibration;
  for (int bin = 0; bin < kBins; ++bin)
    calibration.bins.push_back({.low = static_cast<double>(bin) / kBins, .high = (bin + 1.0) / kBins});
  for (const TestPrediction& prediction : predictions) {
    const auto probability = static_cast<double>(prediction.said.probability);
    if (std::isnan(probability)) continue;
    const int index = std::clamp(static_cast<int>(std::ceil(probability * kBins)) - 1, 0, kBins - 1);
    CalibrationBin& bin = calibration.bins[static_cast<size_t>(index)];
    ++bin.images;
    bin.right += prediction.said.is_right() ? 1 : 0;
    bin.mean_probability += probability;  // their sum, for now
  }
  for (CalibrationBin& bin : calibration.bins) {
    calibration.images += bin.images;
    calibration.accuracy += static_cast<double>(bin.right);
    calibration.mean_probability += bin.mean_probability;
    calibration.expected_error += std::abs(static_cast<double>(bin.right) - bin.mean_probability);
    if (bin.images > 0) bin.mean_probability /= static_cast<double>(bin.images);
  }
  if (calibration.images == 0) return std::nullopt;
  for (double* mean : {&calibration.accuracy, &calibration.mean_probability, &calibration.expected_error})
    *mean /= static_cast<double>(calibration.images);
  return calibration;
}

}  // namespace fer_ddp
