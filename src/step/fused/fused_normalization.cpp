#include "step/fused/fused_normalization.h"

#include <algorithm>
#include <cmath>

namespace fer_ddp {

FusedNormalization::FusedNormalization(size_t channels)
    : centre_(channels),
      mean_(channels),
      scale_(channels),
      shift_(channels),
      from_gradient_(channels),
      from_value_(channels),
      constant_(channels),
      inverse_deviation_(channels) {}

void FusedNormalization::use_parameters(std::span<const float> gamma, std::span<const float> beta) {
  gamma_ = gamma;
  beta_ = beta;
}

void FusedNormalization::use_running(std::span<float> mean, std::span<float> variance) {
  running_mean_ = mean;
  running_variance_ = variance;
  std::copy(mean.begin(), mean.end(), centre_.begin());
}

void FusedNormalization::use_batch(std::span<const double> sums, int64_t count) {
  const size_t channels = mean_.size();
  const auto values = static_cast<double>(std::max<int64_t>(count, 1));
  for (size_t c = 0; c < channels; ++c) {
    const double offset = sums[c] / values;
    const double mean = static_cast<double>(centre_[c]) + offset;
    const double spread = sums[channels + c] / values - offset * offset;
    const double variance = spread < 0 ? 0.0 : spread;  // NaN stays: a diverged run must show it
    set_map(c, mean, variance);
    if (count == 0) continue;
    const auto keep = [](float running, double batch) {
      return static_cast<float>(static_cast<double>(running) * kBatchNormMomentum + batch * (1.0 - kBatchNormMomentum));
    };
    running_mean_[c] = keep(running_mean_[c], mean);
    running_variance_[c] = keep(running_variance_[c], variance);
  }
  std::copy(running_mean_.begin(), running_mean_.end(), centre_.begin());
}

void FusedNormalization::use_running_statistics() {
  for (size_t c = 0; c < mean_.size(); ++c)
    set_map(c, static_cast<double>(running_mean_[c]), static_cast<double>(running_variance_[c]));
}

void FusedNormalization::set_map(size_t channel, double mean, double variance) {
  const double inverse = 1.0 / std::sqrt(variance + kBatchNormEpsilon);
  const double factor = static_cast<double>(gamma_[channel]) * inverse;
  inverse_deviation_[channel] = inverse;
  mean_[channel] = static_cast<float>(mean);
  scale_[channel] = static_cast<float>(factor);
  shift_[channel] = static_cast<float>(static_cast<double>(beta_[channel]) - mean * factor);
}

void FusedNormalization::backpropagate(std::span<const double> sums, int64_t count, std::span<float> scale_gradient,
                                       std::span<float> shift_gradient) {
  const size_t channels = mean_.size();
  const auto values = static_cast<double>(std::max<int64_t>(count, 1));
  for (size_t c = 0; c < channels; ++c) {
    const double inverse = inverse_deviation_[c];
    const double factor = static_cast<double>(gamma_[c]) * inverse;
    const double slope = -factor * inverse * inverse * sums[channels + c] / values;
    shift_gradient[c] = static_cast<float>(sums[c]);
    scale_gradient[c] = static_cast<float>(sums[channels + c] * inverse);
    from_gradient_[c] = static_cast<float>(factor);
    from_value_[c] = static_cast<float>(slope);
    constant_[c] = static_cast<float>(-factor * sums[c] / values - slope * static_cast<double>(mean_[c]));
  }
}

}  // namespace fer_ddp
