#include "model/safetensors.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json_reader.h"

namespace fer_ddp {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

namespace {

constexpr size_t kLengthBytes = 8;

size_t bytes_of(const std::vector<int64_t>& shape) {
  size_t bytes = sizeof(float);
  for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  return bytes;
}

Error damaged(const std::string& source, const std::string& reason) {
  return user_error(fmt::format("{}: not a usable safetensors file: {}", source, reason),
                    "Was it cut short, or written by another tool? fer-ddp reads fp32 tensors.");
}

// `room`: how many bytes of the data no tensor has taken yet.
StoredTensor read_tensor(const nlohmann::ordered_json& entry, std::string_view data, size_t room,
                         const std::string& name, const std::string& source) {
  if (entry.at("dtype") != "F32")
    throw damaged(source, fmt::format("{} is {}, expected F32", name, entry.at("dtype").get<std::string>()));
  StoredTensor tensor;
  if (!entry.at("shape").is_array()) throw damaged(source, fmt::format("{} has no shape", name));
  for (const auto& extent : entry.at("shape")) tensor.shape.push_back(whole_number<int64_t>(extent));
  const auto begin = whole_number<size_t>(entry.at("data_offsets").at(0));
  const auto end = whole_number<size_t>(entry.at("data_offsets").at(1));
  size_t bytes = sizeof(float);
  for (const int64_t extent : tensor.shape) {
    if (extent < 0 || (extent > 0 && bytes > data.size() / static_cast<size_t>(extent)))
      throw damaged(source, fmt::format("{} has a shape larger than the file", name));
    bytes *= static_cast<size_t>(extent);
  }
  if (begin > end || end > data.size() || end - begin != bytes)
    throw damaged(source, fmt::format("{} does not lie within the file's data", name));
  if (bytes > room) throw damaged(source, fmt::format("{} shares its data with another tensor", name));
  tensor.values.resize(bytes / sizeof(float));
  if (bytes > 0)
    std::memcpy(tensor.values.data(), data.data() + begin, bytes);  // an empty vector has no address to copy to
  return tensor;
}

}  // namespace

TensorSources sources_of(const StoredTensors& tensors) {
  TensorSources sources;
  for (const auto& [name, tensor] : tensors)
    sources[name] = {tensor.shape,
                     [&values = tensor.values](const ByteSink& to) { to(std::as_bytes(std::span(values))); }};
  return sources;
}

void write_safetensors(const TensorSources& tensors, const SafetensorsMetadata& metadata, const ByteSink& to) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const size_t end = offset + bytes_of(tensor.shape);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const uint64_t length = text.size();
  to(std::as_bytes(std::span(&length, 1)));
  to(std::as_bytes(std::span(text)));
  for (const auto& [name, tensor] : tensors) {
    size_t written = 0;
    tensor.values([&](std::span<const std::byte> bytes) {
      written += bytes.size();
      to(bytes);
    });
    if (written != bytes_of(tensor.shape))
      throw machine_error(
          fmt::format("tensor {} has {} bytes, its shape says {}", name, written, bytes_of(tensor.shape)));
  }
}

StoredTensors decode_safetensors(std::string_view bytes, const std::string& source) {
  uint64_t length = 0;
  if (bytes.size() < kLengthBytes) throw damaged(source, "it is shorter than its header");
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > bytes.size() - kLengthBytes) throw damaged(source, "it is shorter than its header");
  const std::string_view data = bytes.substr(kLengthBytes + length);
  StoredTensors tensors;
  try {
    const auto header = parse_json(bytes.substr(kLengthBytes, length));
    if (!header.is_object()) throw damaged(source, "its header is not the JSON it should be");
    size_t taken = 0;  // each byte is one tensor's, so that all of them together take no more memory than the file
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") continue;
      StoredTensor tensor = read_tensor(entry, data, data.size() - taken, name, source);
      taken += tensor.values.size() * sizeof(float);
      tensors[name] = std::move(tensor);
    }
  } catch (const nlohmann::json::exception&) {
    throw damaged(source, "its header is not the JSON it should be");
  }
  return tensors;
}

}  // namespace fer_ddp
