// A model's trainable parameters in one flat fp32 buffer, and their gradients in another. Each parameter is a tensor
// whose memory is a piece of the buffer, so that the all-reduce and the optimizer see plain arrays; it begins at a
// multiple of 16 numbers, and what lies between stays zero. The last layer comes first: backward finishes its gradient
// first, so that a prefix of the buffer can be reduced while the rest is still being computed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/parameter_layout.h"

namespace fer_ddp {

struct ParameterSpec {
  std::string name;            // as in the weights file, "conv1.weight"
  std::vector<int64_t> shape;  // PyTorch's: [out, in, height, width] or [out, in] or [out]
};

struct Parameter {
  std::string name;
  at::Tensor value;   // a leaf that requires grad; 4-D ones have channels_last strides
  size_t offset = 0;  // of its first element in the flat buffers
  size_t size = 0;
};

class ParameterStore {
 public:
  // Parameters in forward order, all zero; their memory, on `device`, is laid out in reverse.
  ParameterStore(const std::vector<ParameterSpec>& specs, at::Device device);

  [[nodiscard]] const at::Tensor& operator[](const std::string& name) const;
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }  // forward order
  // The flat buffers; the spans are of the device's memory.
  [[nodiscard]] at::Tensor& flat_weights() { return weights_; }
  [[nodiscard]] at::Tensor& flat_gradients() { return gradients_; }
  [[nodiscard]] std::span<float> weights() { return {weights_.data_ptr<float>(), size()}; }
  [[nodiscard]] std::span<float> gradients() { return {gradients_.data_ptr<float>(), size()}; }
  [[nodiscard]] size_t size() const { return static_cast<size_t>(weights_.numel()); }
  [[nodiscard]] ParameterLayout layout() const;

  // Zeroes all gradients, which hold nothing before, and makes every parameter's gradient its piece of the flat buffer,
  // which backward then adds to.
  void clear_gradients();

 private:
  at::Tensor weights_;
  at::Tensor gradients_;
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> gradient_views_;
};

}  // namespace fer_ddp
