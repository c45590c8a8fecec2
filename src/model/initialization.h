// Start weights: Glorot uniform (Glorot and Bengio 2010), as keras.initializers.GlorotUniform: U(-limit, limit) with
// limit = sqrt(6 / (fan_in + fan_out)); for a convolution the fans count the kernel's area. Each parameter has its own
// random stream, filled in PyTorch's index order, so that neither memory layout nor the order of layers changes the
// numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parameter_store.h"

namespace fer_ddp {

// `specs` are those the store was made from.
void initialize_parameters(ParameterStore& store, const std::vector<ParameterSpec>& specs, uint64_t random_seed);

}  // namespace fer_ddp
