// A network in fp64 by LibTorch's plain operators and autograd: what engines are held against. Which values a ReLU lets
// through and which of a pooling window is the largest is a matter of rounding where values are nearly equal, and
// everything else follows from it smoothly: so the reference takes those decisions from the engine, and checks that
// each is either its own or that close.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <map>
#include <string>

#include "core/expressions.h"
#include "model/model.h"
#include "model/weights.h"
#include "network/tensors.h"

namespace fer_ddp {

// The layers that lead to `place` and it itself, as a network: what an engine makes of its images is the engine's value
// there.
inline bool cut_after(std::vector<Layer>& layers, const std::string& place) {
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].place == place) {
      layers.resize(i + 1);
      return true;
    }
    auto* residual = std::get_if<layer::Residual>(&layers[i].kind);
    if (residual == nullptr) continue;
    for (std::vector<Layer>* branch : {&residual->body, &residual->shortcut}) {
      std::vector<Layer> inner = *branch;
      if (!cut_after(inner, place)) continue;
      layers.resize(i);
      layers.insert(layers.end(), inner.begin(), inner.end());
      return true;
    }
  }
  return false;
}

// The engine's value at `place`, by a model of its own, so that no running statistics move. `like` holds the weights.
inline at::Tensor value_at(const std::string& place, const Model& like, const Config& config, const at::Tensor& images,
                           const ForwardContext& context) {
  Network network = like.network();
  EXPECT_TRUE(cut_after(network.layers, place));
  Model part(network, config, at::kCPU);
  StoredTensors own;
  const StoredTensors all = copy_weights(like);
  for (const auto& [name, tensor] : copy_weights(part)) own[name] = all.at(name);
  set_weights(part, own, "the whole network");
  // Dropout counts in the whole network, of which this is the beginning in the order of reading. With gradients, as
  // the engine's own: LibTorch's convolutions round in another way without.
  return part.forward(images, context).detach().to(at::kFloat);
}

class ReferenceNetwork {
 public:
  // What the engine has behind the layer; undefined where that cannot be seen, and the reference's own has to do.
  using EngineValue = std::function<at::Tensor(const Layer& layer)>;

  // kept: as Model::draw_kept_units(). nudge: every weight is moved by a share of it, up or down.
  ReferenceNetwork(const Model& model, at::Tensor kept, EngineValue engine_value, double nudge = 0)
      : network_(model.network()), kept_(std::move(kept)), engine_value_(std::move(engine_value)) {
    for (const auto& [name, stored] : copy_weights(model)) {
      const at::Tensor values = at::from_blob(const_cast<float*>(stored.values.data()), stored.shape, at::kFloat);
      tensors_[name] = values.to(at::kDouble).clone();
    }
    for (const NetworkTensor& tensor : network_tensors(network_))
      if (tensor.trained) {
        at::Tensor& values = tensors_[tensor.name];
        values.mul_(at::arange(values.numel()).remainder(3).sub_(1).view(values.sizes()).mul(nudge).add(1));
        values.set_requires_grad(true);
      }
  }

  // Logits in training; moves the running statistics.
  at::Tensor forward(const at::Tensor& images) { return layers(network_.layers, images.to(at::kDouble)); }

  [[nodiscard]] at::Tensor gradient(const std::string& name) const { return tensors_.at(name).grad(); }
  [[nodiscard]] const at::Tensor& tensor(const std::string& name) const { return tensors_.at(name); }

 private:
  static constexpr double kMargin = 1e-4;  // of the layer's largest value: below it rounding decides

  at::Tensor layers(const std::vector<Layer>& layers, at::Tensor x) {
    for (const Layer& each : layers) {
      x = std::visit([&](const auto& options) { return apply(each, options, x); }, each.kind);
      before_ = &each;
    }
    return x;
  }

  [[nodiscard]] at::Tensor part(const Layer& layer, const char* name) const { return tensors_.at(layer.name + name); }

  at::Tensor apply(const Layer& layer, const layer::Convolution& options, const at::Tensor& x) {
    return at::conv2d(x, part(layer, ".weight"), options.bias ? part(layer, ".bias") : at::Tensor(),
                      at::IntArrayRef(options.stride), at::IntArrayRef(options.padding));
  }
  at::Tensor apply(const Layer& layer, const layer::Dense& options, const at::Tensor& x) {
    return at::linear(x, part(layer, ".weight"), options.bias ? part(layer, ".bias") : at::Tensor());
  }
  at::Tensor apply(const Layer& layer, const layer::BatchNorm& options, const at::Tensor& x) {
    const at::Tensor rows = x.transpose(0, 1).flatten(1);  // [channels, values of a channel]
    const at::Tensor mean = rows.mean(1);
    const at::Tensor variance = rows.var(1, false);
    {
      const at::NoGradGuard no_grad;
      const bool corrects = options.unbiased_variance && rows.size(1) > 1;
      part(layer, ".running_mean").lerp_(mean, options.momentum);
      part(layer, ".running_var").lerp_(corrects ? rows.var(1, true) : variance, options.momentum);
    }
    std::vector<int64_t> channels(static_cast<size_t>(x.dim()), 1);
    channels[1] = -1;
    const at::Tensor factor = part(layer, ".weight") * (variance + options.epsilon).rsqrt();
    return x * factor.view(channels) + (part(layer, ".bias") - mean * factor).view(channels);
  }
  at::Tensor apply(const Layer& layer, const layer::Relu&, const at::Tensor& x) {
    const at::Tensor engines = engine_value_(layer);
    const at::Tensor alive = (engines.defined() ? engines : x.detach()) > 0;
    const at::Tensor margin = x.detach().abs().max() * kMargin;
    EXPECT_TRUE(((alive == (x > 0)) | (x.abs() <= margin)).all().item<bool>()) << "ReLU at " << layer.place;
    return x * alive.to(at::kDouble);
  }
  at::Tensor apply(const Layer& layer, const layer::MaxPool& options, const at::Tensor& x) {
    const int64_t side = options.side;
    const auto windows = [&](const at::Tensor& from) {
      return from.slice(2, 0, layer.output.height * side)
          .slice(3, 0, layer.output.width * side)
          .reshape({from.size(0), from.size(1), layer.output.height, side, layer.output.width, side})
          .permute({0, 1, 2, 4, 3, 5})
          .reshape({from.size(0), from.size(1), layer.output.height, layer.output.width, side * side});
    };
    const at::Tensor own = windows(x);
    // The engine's winner, the first of its largest. Where all are 0, no gradient comes.
    const at::Tensor winner = windows(before_ == nullptr ? x.detach() : engine_value_(*before_)).argmax(-1, true);
    const at::Tensor y = own.gather(-1, winner).squeeze(-1);
    const at::Tensor margin = x.detach().abs().max() * kMargin;
    EXPECT_TRUE((y.detach() >= own.detach().amax(-1) - margin).all().item<bool>()) << "pool at " << layer.place;
    return y;
  }
  at::Tensor apply(const Layer&, const layer::AveragePool& options, const at::Tensor& x) {
    return at::avg_pool2d(x, at::IntArrayRef(options.side));
  }
  at::Tensor apply(const Layer&, const layer::GlobalAveragePool&, const at::Tensor& x) {
    return x.mean(at::IntArrayRef{2, 3});
  }
  at::Tensor apply(const Layer&, const layer::Flatten&, const at::Tensor& x) { return x.flatten(1); }
  at::Tensor apply(const Layer& layer, const layer::Dropout& options, const at::Tensor& x) {
    if (options.share == 0) return x;
    const at::Tensor kept = kept_.narrow(1, dropped_, layer.output.size()).reshape(x.sizes());
    dropped_ += layer.output.size();
    return x * kept.to(at::kDouble) / (1 - options.share);
  }
  at::Tensor apply(const Layer&, const layer::Residual& options, const at::Tensor& x) {
    const Layer* before = before_;
    const at::Tensor y = layers(options.body, x);  // first, as dropout is counted
    before_ = before;
    return y + layers(options.shortcut, x);
  }

  Network network_;
  at::Tensor kept_;
  EngineValue engine_value_;
  std::map<std::string, at::Tensor> tensors_;
  int64_t dropped_ = 0;
  const Layer* before_ = nullptr;  // the layer whose values the next one takes; none: the images
};

}  // namespace fer_ddp
