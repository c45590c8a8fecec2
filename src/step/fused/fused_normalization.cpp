#include "step/fused/fused_normalization.h"

#include <algorithm>
#include <cmath>

namespace fer_ddp {

FusedNormalization::FusedNormalization(size_t channels, const layer::BatchNorm& options)
    : options_(options),
      centre_(channels),
      mean_(channels),
      scale_(channels),
      shift_(channels),
      from_gradient_(channels),
      from_value_(channels),
      constant_(channels),
      inverse_deviation_(channels) {}

void FusedNormalization::use_parameters(std::span<const float> gamma, std::span<const float> beta,
                                        std::span<const float> bias) {
  gamma_ = gamma;
  beta_ = beta;
  bias_ = bias;
}

void FusedNormalization::use_running(std::span<float> mean, std::span<float> variance) {
  running_mean_ = mean;
  running_variance_ = variance;
}

void FusedNormalization::take_centre() {
  for (size_t c = 0; c < centre_.size(); ++c)
    centre_[c] = static_cast<float>(static_cast<double>(running_mean_[c]) - bias(c));
}

void FusedNormalization::use_batch(std::span<const double> sums, int64_t count) {
  const size_t channels = mean_.size();
  const auto values = static_cast<double>(std::max<int64_t>(count, 1));
  const double kept = 1.0 - options_.momentum;
  const double correction = options_.unbiased_variance && count > 1 ? values / (values - 1.0) : 1.0;
  const auto keep = [kept](float running, double batch) {
    return static_cast<float>(static_cast<double>(running) * kept + batch * (1.0 - kept));
  };
  for (size_t c = 0; c < channels; ++c) {
    const double offset = sums[c] / values;
    const double mean = static_cast<double>(centre_[c]) + offset;
    const double spread = sums[channels + c] / values - offset * offset;
    const double variance = spread < 0 ? 0.0 : spread;  // NaN stays: a diverged run must show it
    set_map(c, mean, variance);
    if (count == 0) continue;
    running_mean_[c] = keep(running_mean_[c], mean + bias(c));
    running_variance_[c] = keep(running_variance_[c], correction * variance);
  }
}

void FusedNormalization::use_running_statistics() {
  for (size_t c = 0; c < mean_.size(); ++c)
    set_map(c, static_cast<double>(running_mean_[c]) - bias(c), static_cast<double>(running_variance_[c]));
}

void FusedNormalization::use_bias(std::span<const float> bias) {
  std::fill(scale_.begin(), scale_.end(), 1.0F);
  std::copy(bias.begin(), bias.end(), shift_.begin());
  std::fill(from_gradient_.begin(), from_gradient_.end(), 1.0F);
}

void FusedNormalization::set_map(size_t channel, double mean, double variance) {
  const double inverse = 1.0 / std::sqrt(variance + options_.epsilon);
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
    if (!shift_gradient.empty()) shift_gradient[c] = static_cast<float>(sums[c]);
    if (!scale_gradient.empty()) scale_gradient[c] = static_cast<float>(sums[channels + c] * inverse);
    from_gradient_[c] = static_cast<float>(factor);
    from_value_[c] = static_cast<float>(slope);
    constant_[c] = static_cast<float>(-factor * sums[c] / values - slope * static_cast<double>(mean_[c]));
  }
}

}  // namespace fer_ddp
