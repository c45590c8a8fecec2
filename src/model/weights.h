// A model's weights and buffers to and from named, row-major tensors and safetensors files.
#pragma once

#include <filesystem>

#include "model/model.h"
#include "model/safetensors.h"

namespace fer_ddp {

// A copy of all parameters and buffers, in PyTorch's layouts.
[[nodiscard]] StoredTensors copy_weights(const Model& model);

// Sets all parameters and buffers. Throws Error (the user's fault) naming `source` and the tensor that is missing,
// unknown, or of another shape.
void set_weights(Model& model, const StoredTensors& tensors, const std::string& source);

void load_weights(Model& model, const std::filesystem::path& path);

}  // namespace fer_ddp
