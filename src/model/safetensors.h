// The safetensors file format (huggingface.co/docs/safetensors): 8 bytes of header length, a JSON header, raw
// little-endian data. Only fp32 tensors, which is all that fer-ddp writes. Free of torch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

struct StoredTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;  // row-major
};

using StoredTensors = std::map<std::string, StoredTensor>;

// A whole file's bytes; `metadata` goes into the header's __metadata__. They depend on the arguments alone.
[[nodiscard]] std::string encode_safetensors(const StoredTensors& tensors,
                                             const std::map<std::string, std::string>& metadata = {});

// Throws Error (the user's fault) naming `source` and the tensor for anything that is not a whole, well-formed fp32
// file.
[[nodiscard]] StoredTensors decode_safetensors(std::string_view bytes, const std::string& source);

}  // namespace fer_ddp
