// The seed study's network, 839,431 parameters of which 192 (BatchNorm's running statistics) are not trained:
// Conv 32 3x3 valid + ReLU - MaxPool 2 - BatchNorm - Conv 64 3x3 valid + ReLU - MaxPool 2 - BatchNorm - Flatten (6400)
// - Dense 128 + ReLU - Dropout - Dense 7. Names and layouts as PyTorch's; Flatten is in channel, height, width order.
#pragma once

#include "model/batch_norm_layer.h"
#include "model/model.h"

namespace fer_ddp {

class SeedCnn final : public Model {
 public:
  SeedCnn(const Config& config, at::Device device);

  at::Tensor forward(const at::Tensor& images, const ForwardContext& context) override;

  [[nodiscard]] at::Tensor draw_kept_units(int epoch, int64_t first_position, int64_t images) const override;

  [[nodiscard]] static std::vector<ParameterSpec> parameter_specs();

 private:
  // In config.precision, as autocast would have it: inputs, weights and biases are rounded, their gradients come back
  // in fp32. convolve() returns the rounded type, which pooling selects from; all else is fp32.
  [[nodiscard]] at::Tensor convolve(const at::Tensor& x, const char* layer) const;
  [[nodiscard]] at::Tensor dense(const at::Tensor& x, const char* layer) const;
  [[nodiscard]] at::Tensor drop(const at::Tensor& hidden, const ForwardContext& context) const;

  double dropout_;
  uint64_t random_seed_;
  at::ScalarType precision_;
  BatchNormState norm1_;
  BatchNormState norm2_;
};

}  // namespace fer_ddp
