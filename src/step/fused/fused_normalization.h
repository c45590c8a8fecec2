// Batch normalisation between two of the fused network's passes: from the sums of a block's values to an affine map by
// channel, and from the sums of gradients to the affine map of the backward pass (kernels/normalization_gradient.h).
// The options are a table's. A plain calculation in fp64 on few numbers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/dense_layer.h"
#include "kernels/normalization_gradient.h"
#include "network/network.h"

namespace fer_ddp {

class FusedNormalization {
 public:
  FusedNormalization(size_t channels, const layer::BatchNorm& options);

  // What lives elsewhere, [channels] each: gamma and beta, and the running statistics, which training moves. To be
  // called again where the latter were changed from outside. bias: of the convolution before, which its values are
  // without; empty: none. It shows in the running mean alone.
  void use_parameters(std::span<const float> gamma, std::span<const float> beta, std::span<const float> bias = {});
  void use_running(std::span<float> mean, std::span<float> variance);

  // At the beginning of a step: what its sums of values are taken about is the running mean as it is then.
  void take_centre();
  [[nodiscard]] const float* centre() const { return centre_.data(); }

  // Training: from sums [2 * channels] of (x - centre) and of its squares over `count` values a channel. Moves the
  // running statistics. Without any value the batch is left as it was.
  void use_batch(std::span<const double> sums, int64_t count);
  // Evaluation.
  void use_running_statistics();
  // No normalisation: what is read is value + bias (empty: the value). Backward passes its gradients on as they are.
  void use_bias(std::span<const float> bias);

  [[nodiscard]] Normalization map() const { return {scale_.data(), shift_.data()}; }
  [[nodiscard]] const float* mean() const { return mean_.data(); }

  // From sums [2 * channels] of dy and of dy (x - mean) over `count` values a channel: the gradients of gamma and beta,
  // and the map. Empty gradients are not asked for.
  void backpropagate(std::span<const double> sums, int64_t count, std::span<float> scale_gradient,
                     std::span<float> shift_gradient);
  [[nodiscard]] NormalizationGradient gradient() const {
    return {from_gradient_.data(), from_value_.data(), constant_.data()};
  }

 private:
  void set_map(size_t channel, double mean, double variance);
  [[nodiscard]] double bias(size_t channel) const { return bias_.empty() ? 0.0 : static_cast<double>(bias_[channel]); }

  layer::BatchNorm options_;

  std::span<const float> gamma_{};
  std::span<const float> beta_{};
  std::span<const float> bias_{};
  std::span<float> running_mean_{};
  std::span<float> running_variance_{};
  std::vector<float> centre_, mean_, scale_, shift_;
  std::vector<float> from_gradient_, from_value_, constant_;
  std::vector<double> inverse_deviation_;
};

}  // namespace fer_ddp
