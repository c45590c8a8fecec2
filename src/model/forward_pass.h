// One pass of a batch through a model's layers, in the order of its table, by LibTorch's operators and this project's
// autograd functions. In config.precision, as autocast would have it, convolutions and dense layers round their inputs,
// weights and biases, whose gradients come back in fp32; ReLU and max-pooling, which select, take what a convolution
// returns; all else is fp32.
#pragma once

#include "model/model.h"

namespace fer_ddp {

class ForwardPass {
 public:
  // Both outlive the pass.
  ForwardPass(const Model& model, const ForwardContext& context) : model_(model), context_(context) {}

  // images as Model::forward() takes them; returns what the last layer gives, fp32.
  [[nodiscard]] at::Tensor run(const at::Tensor& images);

 private:
  [[nodiscard]] at::Tensor layers(const std::vector<Layer>& layers, at::Tensor x);

  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::Convolution& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::BatchNorm& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::Relu& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::MaxPool& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::AveragePool& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::GlobalAveragePool& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::Flatten& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::Dropout& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::Dense& options, const at::Tensor& x);
  [[nodiscard]] at::Tensor apply(const Layer& layer, const layer::Residual& options, const at::Tensor& x);

  [[nodiscard]] const at::Tensor& tensor(const Layer& layer, const char* part) const;
  [[nodiscard]] at::Tensor rounded(const Layer& layer, const char* part, bool there) const;

  const Model& model_;
  const ForwardContext& context_;
  at::Tensor kept_;  // of all dropout layers, once it is known
};

}  // namespace fer_ddp
