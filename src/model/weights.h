// A model's weights and buffers to and from named, row-major tensors and safetensors files.
#pragma once

#include <filesystem>

#include "model/model.h"
#include "model/safetensors.h"

namespace fer_ddp {

// A copy of all parameters and buffers, in PyTorch's layouts. The second form uses the memory of an earlier copy again.
[[nodiscard]] StoredTensors copy_weights(const Model& model);
void copy_weights(const Model& model, StoredTensors& copy);

// Likewise of one tensor, row-major, whatever its strides.
void copy_tensor(const at::Tensor& tensor, StoredTensor& copy);

// The same, read from the model when they are asked for: it outlives them.
[[nodiscard]] TensorSources weight_sources(const Model& model);

// A tensor's values, row-major, whatever its strides.
[[nodiscard]] TensorSource source_of(const at::Tensor& tensor);

// Throws Error (the user's fault) naming `source` and the tensor that is missing, unknown, or of another shape.
void require_weights_fit(const Model& model, const StoredTensors& tensors, const std::string& source);

// Sets all parameters and buffers, once they are known to fit.
void set_weights(Model& model, const StoredTensors& tensors, const std::string& source);

void load_weights(Model& model, const std::filesystem::path& path);

}  // namespace fer_ddp
