#include "model/model.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/expressions.h"
#include "model/initialization.h"
#include "model/seed_cnn.h"
#include "model/weights.h"

namespace fer_ddp {

namespace {

std::vector<int64_t> strides_of(const std::vector<int64_t>& shape) {
  if (shape.size() == 4) return {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};  // channels_last
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

size_t elements(const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
  return count;
}

}  // namespace

ParameterStore::ParameterStore(const std::vector<ParameterSpec>& specs, at::Device device) {
  size_t total = 0;
  for (const ParameterSpec& spec : specs) total += elements(spec.shape);
  weights_ = at::zeros({static_cast<int64_t>(total)}, at::TensorOptions(at::kFloat).device(device));
  gradients_ = at::empty_like(weights_);  // memory that a step which has its own never touches
  size_t offset = total;
  for (const ParameterSpec& spec : specs) {
    const size_t size = elements(spec.shape);
    offset -= size;
    const auto piece = [&](const at::Tensor& flat) {
      return at::from_blob(flat.data_ptr<float>() + offset, spec.shape, strides_of(spec.shape), flat.options());
    };
    parameters_.push_back({spec.name, piece(weights_).set_requires_grad(true), offset, size});
    gradient_views_.push_back(piece(gradients_));
  }
}

const at::Tensor& ParameterStore::operator[](const std::string& name) const {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.name == name; });
  if (found == parameters_.end()) throw machine_error(fmt::format("the model has no parameter {}", name));
  return found->value;
}

void ParameterStore::clear_gradients() {
  gradients_.zero_();
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].value.mutable_grad() = gradient_views_[i];
}

at::Tensor Model::add_buffer(const std::string& name, int64_t size, float fill) {
  buffers_.push_back({name, at::full({size}, fill, store_.flat_weights().options())});
  return buffers_.back().value;
}

std::string Model::description() const {
  std::string text;
  for (const Parameter& parameter : store_.parameters())
    text += fmt::format("{} [{}] ", parameter.name, fmt::join(parameter.value.sizes(), ","));
  for (const Buffer& buffer : buffers_)
    text += fmt::format("{} [{}] ", buffer.name, fmt::join(buffer.value.sizes(), ","));
  return text;
}

std::unique_ptr<Model> make_model(const Config& config) {
  auto model = std::make_unique<SeedCnn>(config, at::kCPU);
  if (config.init == "glorot_uniform") {
    initialize_parameters(model->store(), SeedCnn::parameter_specs(), static_cast<uint64_t>(config.random_seed));
  } else {
    load_weights(*model, config.init);
  }
  return model;
}

std::unique_ptr<Model> make_empty_model(const Config& config, at::Device device) {
  return std::make_unique<SeedCnn>(config, device);
}

at::Tensor normalized_images(int64_t count, const std::function<const uint8_t*(int64_t)>& gather) {
  at::Tensor images = at::empty({count, kImageSide, kImageSide, 1}, at::kFloat);
  float* out = images.data_ptr<float>();
  at::parallel_for(0, count, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* pixels = gather(i);
      float* image = out + i * kImagePixels;
      for (int64_t pixel = 0; pixel < kImagePixels; ++pixel) image[pixel] = static_cast<float>(pixels[pixel]) / 255.0F;
    }
  });
  return images.as_strided({count, 1, kImageSide, kImageSide}, {kImagePixels, 1, kImageSide, 1});
}

}  // namespace fer_ddp
