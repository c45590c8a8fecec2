#include "model/weights.h"

#include <ATen/ops/from_blob.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/atomic_file.h"
#include "core/error.h"

namespace fer_ddp {

namespace {

std::map<std::string, at::Tensor> all_tensors(const Model& model) {
  std::map<std::string, at::Tensor> tensors;
  for (const Parameter& parameter : model.store().parameters()) tensors[parameter.name] = parameter.value.detach();
  for (const Buffer& buffer : model.buffers()) tensors[buffer.name] = buffer.value;
  return tensors;
}

}  // namespace

StoredTensors copy_weights(const Model& model) {
  StoredTensors copy;
  copy_weights(model, copy);
  return copy;
}

void copy_weights(const Model& model, StoredTensors& copy) {
  for (const auto& [name, tensor] : all_tensors(model)) copy_tensor(tensor, copy[name]);
}

void copy_tensor(const at::Tensor& tensor, StoredTensor& copy) {
  copy.shape = tensor.sizes().vec();
  copy.values.resize(static_cast<size_t>(tensor.numel()));
  at::from_blob(copy.values.data(), copy.shape, at::kFloat).copy_(tensor);
}

TensorSource source_of(const at::Tensor& tensor) {
  return {tensor.sizes().vec(), [tensor](const ByteSink& to) {
            const at::Tensor row_major = tensor.contiguous();
            to(std::as_bytes(std::span(row_major.const_data_ptr<float>(), static_cast<size_t>(row_major.numel()))));
          }};
}

TensorSources weight_sources(const Model& model) {
  TensorSources sources;
  for (const auto& [name, tensor] : all_tensors(model)) sources[name] = source_of(tensor);
  return sources;
}

void require_weights_fit(const Model& model, const StoredTensors& tensors, const std::string& source) {
  const auto own = all_tensors(model);
  const auto refuse = [&](const std::string& reason) {
    return user_error(fmt::format("{}: {}", source, reason), "The file must hold the weights of this very model.");
  };
  for (const auto& [name, tensor] : own) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw refuse(fmt::format("tensor {} is missing", name));
    if (!std::ranges::equal(found->second.shape, tensor.sizes())) {
      throw refuse(fmt::format("tensor {} has shape [{}], expected [{}]", name, fmt::join(found->second.shape, ", "),
                               fmt::join(tensor.sizes(), ", ")));
    }
  }
  for (const auto& [name, stored] : tensors)
    if (!own.contains(name)) throw refuse(fmt::format("tensor {} is not one of the model's", name));
}

void set_weights(Model& model, const StoredTensors& tensors, const std::string& source) {
  require_weights_fit(model, tensors, source);
  for (const auto& [name, tensor] : all_tensors(model)) {
    const StoredTensor& stored = tensors.at(name);
    tensor.copy_(at::from_blob(const_cast<float*>(stored.values.data()), stored.shape, at::kFloat));
  }
}

void load_weights(Model& model, const std::filesystem::path& path) {
  set_weights(model, decode_safetensors(read_file(path), path.string()), path.string());
}

}  // namespace fer_ddp
