// The tensors that a network's weights are: names, PyTorch's layouts, and how they start. Names are the layer's and
// PyTorch's for the part: NAME.weight, NAME.bias, NAME.running_mean, NAME.running_var.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "network/network.h"

namespace fer_ddp {

struct NetworkTensor {
  std::string name;            // "conv1.weight"
  std::vector<int64_t> shape;  // [out, in, height, width], [out, in] or [out]
  bool trained = true;         // false: running statistics, and the ones of a batch_norm without scale
  int64_t fan_in = 0;          // values that one output value is summed from; 0: starts at `fill`
  int64_t fan_out = 0;         // outputs that one input value goes into; 0 for a bias
  float fill = 0.0F;

  [[nodiscard]] int64_t size() const;
};

// In the order of reading; of a layer, the trained ones first.
[[nodiscard]] std::vector<NetworkTensor> network_tensors(const Network& network);
[[nodiscard]] std::vector<NetworkTensor> layer_tensors(const Layer& layer);

enum class Initialization {
  kGlorotUniform,  // Glorot and Bengio 2010, as Keras: weights in +-sqrt(6 / (fan_in + fan_out)), biases 0
  kUniformFanIn    // PyTorch's convolutions and dense layers: weights and biases in +-1 / sqrt(fan_in)
};

// Writes a tensor's first values, row-major. Each tensor has the random stream of its own name, so that a layer put
// before it changes none of its numbers.
void initialize(const NetworkTensor& tensor, Initialization initialization, uint64_t random_seed,
                std::span<float> values);

}  // namespace fer_ddp
