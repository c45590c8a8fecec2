#include "step/device/kernel_surroundings.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

namespace fer_ddp {

namespace {

const Parameter* parameter_of(const Model& model, const std::string& name) {
  const auto& all = model.store().parameters();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Parameter& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

// A buffer of the model and its place among them all.
std::pair<float*, int64_t> buffer_of(const Model& model, const std::string& name) {
  for (const Buffer& buffer : model.buffers())
    if (buffer.name == name) {
      auto* values = buffer.value.data_ptr<float>();
      return {values, values - model.flat_buffers().data_ptr<float>()};
    }
  return {nullptr, 0};
}

}  // namespace

DeviceConvolution convolution_of(const Layer& layer, int images) {
  const auto& options = std::get<layer::Convolution>(layer.kind);
  const auto extent = [images](const FeatureShape& shape) {
    return DeviceExtent{images, static_cast<int>(shape.height), static_cast<int>(shape.width),
                        static_cast<int>(shape.channels)};
  };
  return {.input = extent(layer.input),
          .output = extent(layer.output),
          .kernel = static_cast<int>(options.kernel),
          .stride = static_cast<int>(options.stride),
          .padding = static_cast<int>(options.padding)};
}

WeightParts sum_of_parts(const DeviceConvolution& shape, const WeightGradientParts& kind, const float* parts,
                         float* gradient) {
  const auto size = static_cast<int>(shape.weights());
  const int rows = kind.is_turned ? size / shape.output.channels : 1;
  return {.parts = parts,
          .part_count = kind.count,
          .part_stride = size,
          .rows = rows,
          .columns = size / rows,
          .output = gradient};
}

at::Tensor KernelSurroundings::make_values(int64_t count) const {
  const int64_t bytes = std::max<int64_t>(count, 1) * kernels.value_bytes();
  return at::zeros({bytes}, model.flat_buffers().options().dtype(at::kByte));
}

at::Tensor KernelSurroundings::make_floats(int64_t count) const {
  return at::zeros({std::max<int64_t>(count, 1)}, model.flat_buffers().options());
}

const float* KernelSurroundings::weights(const std::string& name) const {
  const Parameter* parameter = parameter_of(model, name);
  return parameter == nullptr ? nullptr : model.store().weights().data() + parameter->offset;
}

float* KernelSurroundings::gradient(const std::string& name) const {
  const Parameter* parameter = parameter_of(model, name);
  return parameter == nullptr ? nullptr : model.store().gradients().data() + parameter->offset;
}

const void* KernelSurroundings::values_of(const std::string& name) const {
  const size_t offset = parameter_of(model, name)->offset;
  return static_cast<const char*>(weight_values) + offset * static_cast<size_t>(kernels.value_bytes());
}

float* KernelSurroundings::take_weight_parts(const at::Tensor& room, const DeviceConvolution& shape,
                                             const std::string& name) {
  const WeightGradientParts parts = kernels.weight_gradient_parts(shape);
  if (is_gradient_itself(parts)) return gradient(name);
  weight_parts.push_back(sum_of_parts(shape, parts, room.const_data_ptr<float>(), gradient(name)));
  return room.data_ptr<float>();
}

KernelNormalization::KernelNormalization(KernelSurroundings& around, const Layer& layer, const float* bias)
    : around_(around),
      positions_(layer.output.height * layer.output.width),
      gamma_gradient_(around.gradient(layer.name + ".weight")),
      beta_gradient_(around.gradient(layer.name + ".bias")) {
  const auto& options = std::get<layer::BatchNorm>(layer.kind);
  const int64_t channels = layer.output.channels;
  sums_ = around.make_floats(2 * channels);
  gradient_sums_ = around.make_floats(2 * channels);
  moments_ = around.make_floats(2 * channels);
  const auto [mean, mean_place] = buffer_of(around.model, layer.name + ".running_mean");
  const auto [variance, variance_place] = buffer_of(around.model, layer.name + ".running_var");
  running_ = {.kind = ChannelMap::Kind::kRunning,
              .bias = bias,
              .gamma = around.weights(layer.name + ".weight"),
              .beta = around.weights(layer.name + ".bias"),
              .epsilon = static_cast<float>(options.epsilon),
              .running_mean = mean,
              .running_variance = variance};
  batch_ = running_;
  batch_.kind = ChannelMap::Kind::kBatch;
  batch_.sums = sums();
  batch_.mean = moments_.data_ptr<float>();
  batch_.inverse_deviation = batch_.mean + channels;
  batch_.next_mean = around.next_statistics.data_ptr<float>() + mean_place;
  batch_.next_variance = around.next_statistics.data_ptr<float>() + variance_place;
  batch_.momentum = static_cast<float>(options.momentum);
  batch_.unbiased = options.unbiased_variance;
}

float KernelNormalization::count(const KernelBatch& batch) const {
  return static_cast<float>(batch.statistics_images * positions_);
}

ChannelMap KernelNormalization::map(const KernelBatch& batch) const {
  if (!batch.training) return running_;
  ChannelMap map = batch_;
  map.count = count(batch);
  return map;
}

void KernelNormalization::sum_over_ranks() const {
  around_.sum_statistics(std::span<float>(sums(), static_cast<size_t>(sums_.numel())));
}

void KernelNormalization::take_gradient_sums(const ValueGradient& of) const {
  auto* sums = gradient_sums_.data_ptr<float>();
  around_.kernels.gradient_sums(
      {.of = of, .sums = sums, .gamma_gradient = gamma_gradient_, .beta_gradient = beta_gradient_});
  around_.sum_statistics(std::span<float>(sums, static_cast<size_t>(gradient_sums_.numel())));
}

}  // namespace fer_ddp
