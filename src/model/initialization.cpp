#include "model/initialization.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <cmath>

#include "core/random.h"

namespace fer_ddp {

void initialize_parameters(ParameterStore& store, const std::vector<ParameterSpec>& specs, uint64_t random_seed) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < specs.size(); ++i) {
    at::Tensor drawn = at::full(specs[i].shape, specs[i].fill, at::kFloat);
    if (specs[i].fan_in > 0) {
      const float limit = std::sqrt(6.0F / static_cast<float>(specs[i].fan_in + specs[i].fan_out));
      RandomStream stream(random_seed, RandomPurpose::kInitialization, 0, i);
      float* values = drawn.data_ptr<float>();
      for (int64_t k = 0; k < drawn.numel(); ++k) values[k] = limit * (2.0F * stream.next_uniform() - 1.0F);
    }
    store[specs[i].name].copy_(drawn);
  }
}

}  // namespace fer_ddp
