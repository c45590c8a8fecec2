// The safetensors file format (huggingface.co/docs/safetensors): 8 bytes of header length, a JSON header, raw
// little-endian data. Only fp32 tensors, which is all that fer-ddp writes. Free of torch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/byte_sink.h"

namespace fer_ddp {

struct StoredTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;  // row-major
};

using StoredTensors = std::map<std::string, StoredTensor>;

// A tensor on its way to a file.
struct TensorSource {
  std::vector<int64_t> shape;
  ByteSource values;  // fp32, row-major
};

using TensorSources = std::map<std::string, TensorSource>;

// Reads the tensors only when a file is written: they outlive the sources.
[[nodiscard]] TensorSources sources_of(const StoredTensors& tensors);

using SafetensorsMetadata = std::map<std::string, std::string>;  // the header's __metadata__

// A whole file, tensor by tensor. Its bytes depend on the arguments alone. Throws Error (ours) where a tensor has fewer
// or more bytes than its shape.
void write_safetensors(const TensorSources& tensors, const SafetensorsMetadata& metadata, const ByteSink& to);

// Throws Error (the user's fault) naming `source` and the tensor for anything that is not a whole, well-formed fp32
// file.
[[nodiscard]] StoredTensors decode_safetensors(std::string_view bytes, const std::string& source);

}  // namespace fer_ddp
