#include "model/seed_cnn.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "core/random.h"
#include "model/pooling_layer.h"

namespace fer_ddp {

namespace {

constexpr int64_t kHiddenUnits = 128;
constexpr int64_t kImagesAtOnce = 64;  // whose dropout a thread draws at once

}  // namespace

std::vector<ParameterSpec> SeedCnn::parameter_specs() {
  return {
      {"conv1.weight", {32, 1, 3, 3}, 9, 288},    {"conv1.bias", {32}},
      {"bn1.weight", {32}, 0, 0, 1.0F},           {"bn1.bias", {32}},
      {"conv2.weight", {64, 32, 3, 3}, 288, 576}, {"conv2.bias", {64}},
      {"bn2.weight", {64}, 0, 0, 1.0F},           {"bn2.bias", {64}},
      {"fc1.weight", {128, 6400}, 6400, 128},     {"fc1.bias", {128}},
      {"fc2.weight", {7, 128}, 128, 7},           {"fc2.bias", {7}},
  };
}

SeedCnn::SeedCnn(const Config& config, at::Device device)
    : Model(parameter_specs(), device),
      dropout_(config.dropout),
      random_seed_(static_cast<uint64_t>(config.random_seed)),
      precision_(config.precision == "bf16" ? at::kBFloat16 : at::kFloat) {
  norm1_ = {store()["bn1.weight"], store()["bn1.bias"], add_buffer("bn1.running_mean", 32, 0.0F),
            add_buffer("bn1.running_var", 32, 1.0F)};
  norm2_ = {store()["bn2.weight"], store()["bn2.bias"], add_buffer("bn2.running_mean", 64, 0.0F),
            add_buffer("bn2.running_var", 64, 1.0F)};
}

at::Tensor SeedCnn::forward(const at::Tensor& images, const ForwardContext& context) {
  at::Tensor x = batch_norm(relu_max_pool(convolve(images, "conv1"), context.tensor_operators), norm1_, context);
  x = batch_norm(relu_max_pool(convolve(x, "conv2"), context.tensor_operators), norm2_, context);
  x = dense(x.flatten(1), "fc1").relu_();
  if (context.training && dropout_ > 0) x = drop(x, context);
  return dense(x, "fc2");
}

at::Tensor SeedCnn::convolve(const at::Tensor& x, const char* layer) const {
  const std::string name(layer);
  return at::conv2d(x.to(precision_), store()[name + ".weight"].to(precision_), store()[name + ".bias"].to(precision_));
}

at::Tensor SeedCnn::dense(const at::Tensor& x, const char* layer) const {
  const std::string name(layer);
  return at::linear(x.to(precision_), store()[name + ".weight"].to(precision_), store()[name + ".bias"].to(precision_))
      .to(at::kFloat);
}

// Inverted dropout: what is kept is scaled up.
at::Tensor SeedCnn::drop(const at::Tensor& hidden, const ForwardContext& context) const {
  const at::Tensor kept = context.kept_units.defined()
                              ? context.kept_units
                              : draw_kept_units(context.epoch, context.first_position, hidden.size(0));
  return hidden * kept.to(at::kFloat).mul_(static_cast<float>(1.0 / (1.0 - dropout_)));
}

// Unit j of the image at position p of the epoch is decided by number j of stream p.
at::Tensor SeedCnn::draw_kept_units(int epoch, int64_t first_position, int64_t images) const {
  if (dropout_ == 0) return {};
  at::Tensor kept = at::empty({images, kHiddenUnits}, at::kByte);
  const auto threshold = static_cast<float>(dropout_);
  at::parallel_for(0, images, kImagesAtOnce, [&](int64_t begin, int64_t end) {
    uint8_t* unit = kept.data_ptr<uint8_t>() + begin * kHiddenUnits;
    for (int64_t image = begin; image < end; ++image) {
      RandomStream stream(random_seed_, RandomPurpose::kDropout, static_cast<uint32_t>(epoch),
                          static_cast<uint64_t>(first_position + image));
      for (int64_t i = 0; i < kHiddenUnits; ++i) *unit++ = stream.next_uniform() < threshold ? 0 : 1;
    }
  });
  return kept;
}

}  // namespace fer_ddp
