#include "model/model.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/expressions.h"
#include "core/random.h"
#include "model/forward_pass.h"
#include "model/weights.h"
#include "network/table.h"
#include "network/tensors.h"

namespace fer_ddp {

namespace {

constexpr int64_t kImagesAtOnce = 64;  // whose dropout a thread draws at once

std::vector<ParameterSpec> parameter_specs(const Network& network) {
  std::vector<ParameterSpec> specs;
  for (const NetworkTensor& tensor : network_tensors(network))
    if (tensor.trained) specs.push_back({tensor.name, tensor.shape});
  return specs;
}

void draw_parameters(Model& model, Initialization initialization, uint64_t random_seed) {
  const at::NoGradGuard no_grad;
  for (const NetworkTensor& tensor : network_tensors(model.network())) {
    if (!tensor.trained) continue;
    at::Tensor drawn = at::empty(tensor.shape, at::kFloat);
    initialize(tensor, initialization, random_seed, {drawn.data_ptr<float>(), static_cast<size_t>(drawn.numel())});
    model.store()[tensor.name].copy_(drawn);
  }
}

// What a network saves but does not train, as it starts: pieces of one flat tensor, which is returned.
at::Tensor make_buffers(const Network& network, const at::TensorOptions& options, std::vector<Buffer>& buffers) {
  int64_t size = 0;
  for (const NetworkTensor& tensor : network_tensors(network)) size += tensor.trained ? 0 : tensor.size();
  at::Tensor flat = at::empty({size}, options);
  int64_t begin = 0;
  for (const NetworkTensor& tensor : network_tensors(network)) {
    if (tensor.trained) continue;
    // No views: autograd would count a change of one as a change of all.
    const at::Tensor piece = at::from_blob(flat.data_ptr<float>() + begin, tensor.shape, flat.options());
    buffers.push_back({tensor.name, piece.fill_(tensor.fill)});
    begin += tensor.size();
  }
  return flat;
}

}  // namespace

Model::Model(const Network& network, const Config& config, at::Device device)
    : network_(network),
      precision_(config.precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat),
      random_seed_(static_cast<uint64_t>(config.random_seed)),
      store_(parameter_specs(network), device) {
  for (const Parameter& parameter : store_.parameters()) tensors_[parameter.name] = parameter.value;
  flat_buffers_ = make_buffers(network_, store_.flat_weights().options(), buffers_);
  for (const Buffer& buffer : buffers_) tensors_[buffer.name] = buffer.value;
  if (config.average_weights)
    flat_averaged_buffers_ = make_buffers(network_, store_.flat_weights().options(), averaged_buffers_);
  for_each_layer(network_.layers, [&](const Layer& layer) {
    const auto* dropout = std::get_if<layer::Dropout>(&layer.kind);
    if (dropout == nullptr || dropout->share == 0) return;
    dropouts_.push_back({dropout->number, static_cast<float>(dropout->share), dropped_units_, layer.output.size()});
    dropped_units_ += layer.output.size();
  });
}

void Model::begin_averages() {
  if (flat_averaged_buffers_.defined()) flat_averaged_buffers_.copy_(flat_buffers_);
}

void Model::average_buffers(const at::Tensor& share) {
  const at::NoGradGuard no_grad;
  if (flat_averaged_buffers_.defined())
    flat_averaged_buffers_.add_((flat_buffers_ - flat_averaged_buffers_).mul_(share));
}

void Model::average_buffers(double share) {
  if (!averaged_buffers_.empty()) average_buffers(at::full({}, share, at::kFloat));
}

at::Tensor Model::forward(const at::Tensor& images, const ForwardContext& context) const {
  return ForwardPass(*this, context).run(images);
}

// Value j of the n-th dropout layer, for the image at position p of the epoch, is decided by number n * 2^24 + j of
// stream p.
at::Tensor Model::draw_kept_units(int epoch, int64_t first_position, int64_t images) const {
  if (dropped_units_ == 0) return {};
  at::Tensor kept = at::empty({images, dropped_units_}, at::kByte);
  at::parallel_for(0, images, kImagesAtOnce, [&](int64_t begin, int64_t end) {
    uint8_t* unit = kept.data_ptr<uint8_t>() + begin * dropped_units_;
    for (int64_t image = begin; image < end; ++image) {
      RandomStream stream(random_seed_, RandomPurpose::kDropout, static_cast<uint32_t>(epoch),
                          static_cast<uint64_t>(first_position + image));
      for (const DropoutPlace& place : dropouts_) {
        stream.go_to(static_cast<uint64_t>(place.number * kDropoutNumbers));
        for (int64_t i = 0; i < place.size; ++i) *unit++ = stream.next_uniform() < place.share ? 0 : 1;
      }
    }
  });
  return kept;
}

std::string Model::description() const {
  std::string text;
  for (const Parameter& parameter : store_.parameters())
    text += fmt::format("{} [{}] ", parameter.name, fmt::join(parameter.value.sizes(), ","));
  for (const Buffer& buffer : buffers_)
    text += fmt::format("{} [{}] ", buffer.name, fmt::join(buffer.value.sizes(), ","));
  return text;
}

std::unique_ptr<Model> make_model(const Network& network, const Config& config) {
  auto model = std::make_unique<Model>(network, config, at::kCPU);
  const auto seed = static_cast<uint64_t>(config.random_seed);
  if (config.init == "glorot_uniform") {
    draw_parameters(*model, Initialization::kGlorotUniform, seed);
  } else if (config.init == "uniform_fan_in") {
    draw_parameters(*model, Initialization::kUniformFanIn, seed);
  } else {
    load_weights(*model, config.init);
  }
  model->begin_averages();
  return model;
}

std::unique_ptr<Model> make_model(const Config& config) { return make_model(configured_network(config), config); }

}  // namespace fer_ddp
