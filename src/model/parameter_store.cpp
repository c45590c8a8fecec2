#include "model/parameter_store.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

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

// Parameters begin at multiples of 16 numbers, which a device's kernels read as vectors.
size_t room_of(const ParameterSpec& spec) { return (elements(spec.shape) + 15) / 16 * 16; }

}  // namespace

ParameterStore::ParameterStore(const std::vector<ParameterSpec>& specs, at::Device device) {
  size_t total = 0;
  for (const ParameterSpec& spec : specs) total += room_of(spec);
  weights_ = at::zeros({static_cast<int64_t>(total)}, at::TensorOptions(at::kFloat).device(device));
  gradients_ = at::empty_like(weights_);  // memory that a step which has its own never touches
  size_t offset = total;
  for (const ParameterSpec& spec : specs) {
    const size_t size = elements(spec.shape);
    offset -= room_of(spec);
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

ParameterLayout ParameterStore::layout() const {
  ParameterLayout layout{.size = size()};
  for (size_t i = parameters_.size(); i-- > 0;)
    layout.places.push_back(
        parameter_place(parameters_[i].name, parameters_[i].value.sizes().vec(), parameters_[i].offset));
  return layout;
}

void ParameterStore::clear_gradients() {
  gradients_.zero_();
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].value.mutable_grad() = gradient_views_[i];
}

}  // namespace fer_ddp
