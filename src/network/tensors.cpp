#include "network/tensors.h"

#include <cmath>
#include <functional>
#include <numeric>

#include "core/random.h"

namespace fer_ddp {

namespace {

struct TensorsOf {
  const Layer& layer;

  std::vector<NetworkTensor> operator()(const layer::Convolution& options) const {
    const int64_t area = options.kernel * options.kernel;
    return product({options.channels, layer.input.channels, options.kernel, options.kernel},
                   layer.input.channels * area, options.channels * area, options.bias);
  }
  std::vector<NetworkTensor> operator()(const layer::Dense& options) const {
    return product({options.units, layer.input.size()}, layer.input.size(), options.units, options.bias);
  }
  std::vector<NetworkTensor> operator()(const layer::BatchNorm& options) const {
    const auto tensor = [&](const char* part, bool trained, float fill) {
      return NetworkTensor{
          .name = layer.name + part, .shape = {layer.input.channels}, .trained = trained, .fill = fill};
    };
    const NetworkTensor weight = tensor(".weight", options.scale, 1.0F);
    const NetworkTensor bias = tensor(".bias", true, 0.0F);
    std::vector<NetworkTensor> all = {weight, bias};
    if (!options.scale) all = {bias, weight};
    all.push_back(tensor(".running_mean", false, 0.0F));
    all.push_back(tensor(".running_var", false, 1.0F));
    return all;
  }
  template <typename WithoutWeights>
  std::vector<NetworkTensor> operator()(const WithoutWeights&) const {
    return {};
  }

 private:
  [[nodiscard]] std::vector<NetworkTensor> product(std::vector<int64_t> shape, int64_t fan_in, int64_t fan_out,
                                                   bool bias) const {
    const int64_t outputs = shape.front();
    std::vector<NetworkTensor> all = {
        {.name = layer.name + ".weight", .shape = std::move(shape), .fan_in = fan_in, .fan_out = fan_out}};
    if (bias) all.push_back({.name = layer.name + ".bias", .shape = {outputs}, .fan_in = fan_in});
    return all;
  }
};

// FNV-1a (Fowler, Noll and Vo), 64 bits: a position for the random stream that goes by a name.
uint64_t name_hash(const std::string& name) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char character : name) hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001B3;
  return hash;
}

// Values are drawn from +-limit; 0: not drawn.
float limit_of(const NetworkTensor& tensor, Initialization initialization) {
  if (tensor.fan_in == 0) return 0;
  if (initialization == Initialization::kUniformFanIn) return 1.0F / std::sqrt(static_cast<float>(tensor.fan_in));
  if (tensor.fan_out == 0) return 0;
  return std::sqrt(6.0F / static_cast<float>(tensor.fan_in + tensor.fan_out));
}

}  // namespace

int64_t NetworkTensor::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<NetworkTensor> layer_tensors(const Layer& layer) { return std::visit(TensorsOf{layer}, layer.kind); }

std::vector<NetworkTensor> network_tensors(const Network& network) {
  std::vector<NetworkTensor> all;
  for_each_layer(network.layers, [&](const Layer& layer) {
    for (NetworkTensor& tensor : layer_tensors(layer)) all.push_back(std::move(tensor));
  });
  return all;
}

void initialize(const NetworkTensor& tensor, Initialization initialization, uint64_t random_seed,
                std::span<float> values) {
  const float limit = limit_of(tensor, initialization);
  if (limit == 0) {
    for (float& value : values) value = tensor.fill;
    return;
  }
  RandomStream stream(random_seed, RandomPurpose::kInitialization, 0, name_hash(tensor.name));
  for (float& value : values) value = limit * (2.0F * stream.next_uniform() - 1.0F);
}

}  // namespace fer_ddp
