#include "model/tensor_batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>

#include "model/saved_sum.h"

namespace fer_ddp {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [c] as a factor of images [n, c, h, w].
at::Tensor by_channel(const at::Tensor& values) { return values.view({1, -1, 1, 1}); }

struct GlobalSums {
  at::Tensor first, second;  // [c], over all ranks
  at::Tensor rows;           // [1], over all ranks
};

// Sums both over images, height and width of all ranks, in one collective.
GlobalSums sum_globally(const at::Tensor& first, const at::Tensor& second, const SumOverRanks& sum_over_ranks) {
  constexpr std::array<int64_t, 3> kAllButChannels = {0, 2, 3};
  const int64_t channels = first.size(1);
  const auto rows = static_cast<double>(first.numel() / channels);
  at::Tensor packed =
      at::cat({first.sum(kAllButChannels), second.sum(kAllButChannels), at::full({1}, rows, first.options())});
  sum_over_ranks(std::span<float>(packed.data_ptr<float>(), static_cast<size_t>(packed.numel())));
  return {packed.narrow(0, 0, channels), packed.narrow(0, channels, channels), packed.narrow(0, 2 * channels, 1)};
}

// A batch may be empty on all ranks that share the statistics: the running ones then stay.
void update_running(const at::Tensor& running, const at::Tensor& newest, double kept, const at::Tensor& rows) {
  running.copy_(at::where(rows > 0, running * kept + newest * (1.0 - kept), running));
}

class TensorBatchNorm : public torch::autograd::Function<TensorBatchNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const BatchNormState* state, const SumOverRanks* sum_over_ranks) {
    // About the running mean, so that in fp32 the squares do not drown the variance.
    const at::Tensor centre = state->running_mean.clone();
    const at::Tensor centred = x - by_channel(centre);
    const GlobalSums sums = sum_globally(centred, centred * centred, *sum_over_ranks);
    const at::Tensor rows = sums.rows.clamp_min(1.0);
    const at::Tensor offset = sums.first / rows;
    const at::Tensor mean = centre + offset;
    const at::Tensor variance = (sums.second / rows - offset * offset).clamp_min(0.0);  // NaN stays NaN
    update_running(state->running_mean, mean, state->kept_share(), sums.rows);
    const at::Tensor running =
        state->options.unbiased_variance ? variance * (rows / (rows - 1.0).clamp_min(1.0)) : variance;
    update_running(state->running_var, running, state->kept_share(), sums.rows);
    const at::Tensor inverse = (variance + state->options.epsilon).rsqrt();
    const at::Tensor factor = weight * inverse;
    context->save_for_backward({x, weight, mean, inverse});
    context->saved_data["sum_over_ranks"] = save_sum(*sum_over_ranks);
    return x * by_channel(factor) + by_channel(bias - mean * factor);
  }

  // dx = gamma / sigma * (dy - mean(dy) - (x - mean) / sigma^2 * mean(dy * (x - mean))), means over the global batch.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& dy = gradients[0];
    const at::Tensor& inverse = saved[3];
    const at::Tensor centred = saved[0] - by_channel(saved[2]);
    const at::Tensor product = dy * centred;
    // The parameters' gradients are this rank's own; the trainer adds them up with all others.
    const at::Tensor bias_gradient = dy.sum({0, 2, 3});
    const at::Tensor weight_gradient = product.sum({0, 2, 3}) * inverse;

    const GlobalSums sums = sum_globally(dy, product, saved_sum(context->saved_data["sum_over_ranks"]));
    const at::Tensor rows = sums.rows.clamp_min(1.0);
    const at::Tensor factor = saved[1] * inverse;
    const at::Tensor slope = -factor * inverse * inverse * sums.second / rows;
    const at::Tensor constant = -factor * sums.first / rows;
    const at::Tensor dx = dy * by_channel(factor) + centred * by_channel(slope) + by_channel(constant);
    return {dx, weight_gradient, bias_gradient, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor tensor_batch_norm(const at::Tensor& x, const BatchNormState& state, const ForwardContext& context) {
  if (context.training) return TensorBatchNorm::apply(x, state.weight, state.bias, &state, &context.sum_statistics);
  const at::Tensor factor = state.weight * (state.running_var + state.options.epsilon).rsqrt();
  const at::Tensor shift = state.bias - state.running_mean * factor;
  return x * by_channel(factor) + by_channel(shift);
}

}  // namespace fer_ddp
