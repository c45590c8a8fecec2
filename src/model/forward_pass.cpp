#include "model/forward_pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>

#include <algorithm>

#include "model/batch_norm_layer.h"
#include "model/pooling_layer.h"

namespace fer_ddp {

namespace {

constexpr int64_t kFusedPoolSide = 2;  // of relu_max_pool()

// Is `next` a pool that runs together with the ReLU before it?
bool pools_with_relu(const Layer* next) {
  const auto* pool = next == nullptr ? nullptr : std::get_if<layer::MaxPool>(&next->kind);
  return pool != nullptr && pool->side == kFusedPoolSide;
}

// Is what the layer returns new, and neither read again nor needed by its backward? The next layer may overwrite it.
bool is_free(const Layer& layer) {
  return std::holds_alternative<layer::Convolution>(layer.kind) || std::holds_alternative<layer::Dense>(layer.kind) ||
         std::holds_alternative<layer::Residual>(layer.kind) ||
         (std::holds_alternative<layer::BatchNorm>(layer.kind) && !layer.output.flat);
}

}  // namespace

at::Tensor ForwardPass::run(const at::Tensor& images) { return layers(model_.network().layers, images); }

at::Tensor ForwardPass::layers(const std::vector<Layer>& layers, at::Tensor x) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const Layer* next = i + 1 < layers.size() ? &layers[i + 1] : nullptr;
    if (std::holds_alternative<layer::Relu>(layers[i].kind)) {
      if (pools_with_relu(next)) {
        x = relu_max_pool(x, context_.tensor_operators);
        ++i;
      } else {
        x = i > 0 && is_free(layers[i - 1]) ? x.relu_() : x.relu();
      }
      continue;
    }
    x = std::visit([&](const auto& options) { return apply(layers[i], options, x); }, layers[i].kind);
  }
  return x;
}

const at::Tensor& ForwardPass::tensor(const Layer& layer, const char* part) const {
  return model_.tensors_.at(layer.name + part);
}

at::Tensor ForwardPass::rounded(const Layer& layer, const char* part, bool there) const {
  return there ? tensor(layer, part).to(model_.precision_) : at::Tensor();
}

at::Tensor ForwardPass::apply(const Layer& layer, const layer::Convolution& options, const at::Tensor& x) {
  return at::conv2d(x.to(model_.precision_), rounded(layer, ".weight", true), rounded(layer, ".bias", options.bias),
                    at::IntArrayRef(options.stride), at::IntArrayRef(options.padding));
}

at::Tensor ForwardPass::apply(const Layer& layer, const layer::BatchNorm& options, const at::Tensor& x) {
  const BatchNormState state{.weight = tensor(layer, ".weight"),
                             .bias = tensor(layer, ".bias"),
                             .running_mean = tensor(layer, ".running_mean"),
                             .running_var = tensor(layer, ".running_var"),
                             .options = options};
  const at::Tensor values = x.to(at::kFloat);
  if (!layer.input.flat) return batch_norm(values, state, context_);
  // A row is an image of one pixel.
  return batch_norm(values.view({x.size(0), x.size(1), 1, 1}), state, context_).flatten(1);
}

at::Tensor ForwardPass::apply(const Layer&, const layer::Relu&, const at::Tensor& x) { return x.relu(); }

at::Tensor ForwardPass::apply(const Layer&, const layer::MaxPool& options, const at::Tensor& x) {
  return at::max_pool2d(x, at::IntArrayRef(options.side));
}

at::Tensor ForwardPass::apply(const Layer&, const layer::AveragePool& options, const at::Tensor& x) {
  return at::avg_pool2d(x.to(at::kFloat), at::IntArrayRef(options.side));
}

at::Tensor ForwardPass::apply(const Layer&, const layer::GlobalAveragePool&, const at::Tensor& x) {
  return x.to(at::kFloat).mean(at::IntArrayRef{2, 3});
}

at::Tensor ForwardPass::apply(const Layer&, const layer::Flatten&, const at::Tensor& x) { return x.flatten(1); }

// Inverted dropout: what is kept is scaled up.
at::Tensor ForwardPass::apply(const Layer& layer, const layer::Dropout& options, const at::Tensor& x) {
  if (!context_.training || options.share == 0) return x;
  if (!kept_.defined())
    kept_ = context_.kept_units.defined() ? context_.kept_units
                                          : model_.draw_kept_units(context_.epoch, context_.first_position, x.size(0));
  const auto place = std::find_if(model_.dropouts_.begin(), model_.dropouts_.end(),
                                  [&](const auto& candidate) { return candidate.number == options.number; });
  const at::Tensor kept = kept_.narrow(1, place->offset, layer.output.size()).reshape(x.sizes());
  return x.to(at::kFloat) * kept.to(at::kFloat).mul_(static_cast<float>(1.0 / (1.0 - options.share)));
}

at::Tensor ForwardPass::apply(const Layer& layer, const layer::Dense& options, const at::Tensor& x) {
  return at::linear(x.to(model_.precision_), rounded(layer, ".weight", true), rounded(layer, ".bias", options.bias))
      .to(at::kFloat);
}

at::Tensor ForwardPass::apply(const Layer&, const layer::Residual& options, const at::Tensor& x) {
  const at::Tensor beside = layers(options.shortcut, x);
  return layers(options.body, x).to(at::kFloat) + beside.to(at::kFloat);
}

}  // namespace fer_ddp
