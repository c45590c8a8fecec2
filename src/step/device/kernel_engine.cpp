#include "step/device/kernel_engine.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "network/engine_plan.h"
#include "network/gradient_memory.h"

namespace fer_ddp {

namespace {

constexpr int64_t kFewestEvaluated = 128;  // images at once, for a device to have enough

// In elements, 8 MiB: each bucket costs a kernel and an all-reduce, so that small networks have one alone. So has one
// whose normalisations sum over the ranks in backward: their sums would wait for a bucket's, and backward for them.
size_t smallest_bucket(const Config& config, const StagePlan& plan) {
  const bool sums_statistics = config.batch_norm == BatchNormScope::kGlobal &&
                               std::any_of(plan.stages.begin(), plan.stages.end(), [](const StageSpec& stage) {
                                 return stage.kind == StageSpec::Kind::kBatchNorm || stage.batch_norm != nullptr;
                               });
  return sums_statistics ? std::numeric_limits<size_t>::max() : (size_t{8} << 20) / sizeof(float);
}

at::Tensor values_for(Model& model, const DeviceKernels& kernels) {
  if (kernels.value_bytes() == 4) return {};
  return model.store().flat_weights().detach().to(at::kBFloat16);
}

// The parameters of these layers, as places in the model's list.
std::vector<size_t> parameters_of(const Model& model, const std::vector<const Layer*>& layers) {
  std::vector<size_t> found;
  const auto& all = model.store().parameters();
  for (size_t i = 0; i < all.size(); ++i)
    for (const Layer* layer : layers)
      if (layer != nullptr && (all[i].name == layer->name + ".weight" || all[i].name == layer->name + ".bias"))
        found.push_back(i);
  return found;
}

}  // namespace

std::string KernelEngine::refusal(const Config& config, const Network& network) {
  if (!config.distill_from.empty()) return "the device's kernels learn from no teachers";
  return device_kernel_refusal(network);
}

KernelEngine::KernelEngine(Model& model, const DeviceFeed& feed, const StepNumbers& numbers, DeviceRuntime& runtime,
                           DeviceKernels& kernels, const Config& config)
    : model_(model),
      feed_(feed),
      numbers_(numbers),
      statistics_are_global_(config.batch_norm == BatchNormScope::kGlobal),
      plan_(without_materialized(plan_stages(model.network()))),
      values_(values_for(model, kernels)),
      around_{.kernels = kernels,
              .model = model,
              .weight_values = values_.defined() ? values_.data_ptr() : model.store().flat_weights().data_ptr(),
              .next_statistics = at::empty_like(model.flat_buffers()),
              .sum_statistics = statistics_sum(runtime.reducer(), config),
              .most_images = std::max<int64_t>(config.batch_size, kFewestEvaluated)},
      buckets_(model.store(), runtime.reducer(), smallest_bucket(config, plan_),
               [this] {
                 if (!around_.weight_parts.empty()) around_.kernels.sum_weight_parts(around_.weight_parts);
                 around_.weight_parts.clear();
               }),
      parameters_of_head_(parameters_of(model, plan_.head)) {
  for (const StageSpec& spec : plan_.stages)
    parameters_of_stage_.push_back(parameters_of(model, {spec.layer, spec.batch_norm}));
  zero_ = at::zeros({1}, model.flat_buffers().options().dtype(at::kInt));
  model.store().flat_gradients().zero_();  // nobody writes those of a bias that a normalisation takes away again
  int64_t most_sums = 0;
  for (const StageSpec& spec : plan_.stages) {
    const FeatureShape& shape = spec.kind == StageSpec::Kind::kConvolution ? spec.layer->output : spec.output;
    most_sums = std::max(
        most_sums, kernels.channel_sum_parts({static_cast<int>(around_.most_images), static_cast<int>(shape.height),
                                              static_cast<int>(shape.width), static_cast<int>(shape.channels)}));
  }
  // Of the head, dense layers' biases, but for the last: its seven are summed otherwise.
  for (const Layer* layer : plan_.head)
    if (std::holds_alternative<layer::Dense>(layer->kind) && layer != plan_.head.back())
      most_sums = std::max(most_sums, kernels.channel_sum_parts({.images = static_cast<int>(around_.most_images),
                                                                 .channels = static_cast<int>(layer->output.size())}));
  sum_parts_ = around_.make_floats(most_sums);
  kernels.use_channel_sum_parts(sum_parts_.data_ptr<float>());
  stages_ = make_kernel_stages(plan_, around_);
  head_ =
      std::make_unique<KernelHead>(plan_.head, stages_.back()->left(), feed, numbers, around_, config.label_smoothing);
  around_.value_gradient = around_.make_values(around_.value_gradient_size);
  share_gradients();
}

void KernelEngine::share_gradients() {
  const GradientMemory memory = plan_gradient_memory(plan_);
  for (const int64_t size : memory.slot_sizes) gradients_.push_back(around_.make_values(around_.most_images * size));
  for (size_t i = 0; i < stages_.size(); ++i)
    stages_[i]->left().gradient = gradients_[memory.slot_of_stage[i]].data_ptr();
}

void KernelEngine::compute(int64_t images, int64_t global_images, at::Tensor& sums) {
  const at::NoGradGuard no_grad;
  const auto& split = feed_.split(Split::kTrain);
  const KernelBatch batch{.images = static_cast<int>(images),
                          .statistics_images = statistics_are_global_ ? global_images : images};
  KernelHead::Truth truth;
  if (const ChangedImageFeed* changed = feed_.changed_images(); changed != nullptr) {
    around_.kernels.change_images(changed->work(images));
    around_.source = {.pixels = changed->pixels()};
    truth = {.labels = changed->labels(), .targets = changed->targets()};
  } else {
    around_.source = {.split_images = split.images.const_data_ptr<uint8_t>(),
                      .order = feed_.order().const_data_ptr<int32_t>(),
                      .first = numbers_.integer_at(StepNumbers::kPosition),
                      .scale = model_.network().input};
    truth.split_labels = split.label_bytes.const_data_ptr<uint8_t>();
  }
  for (const auto& stage : stages_) stage->forward(batch);
  around_.weight_parts.clear();
  head_->step(batch, truth, sums.data_ptr<float>());
  backward(batch);
}

void KernelEngine::mark_ready(const std::vector<size_t>& parameters) {
  for (const size_t parameter : parameters) buckets_.mark_ready(parameter);
}

void KernelEngine::backward(const KernelBatch& batch) {
  mark_ready(parameters_of_head_);
  for (size_t i = stages_.size(); i-- > 1;) {
    stages_[i]->backward(batch);
    mark_ready(parameters_of_stage_[i]);
  }
  stages_[0]->backward(batch);
  // The statistics behind the step, which nothing of it reads any more, take the place of those before with the last.
  around_.add_weight_parts({.parts = around_.next_statistics.const_data_ptr<float>(),
                            .part_count = 1,
                            .rows = 1,
                            .columns = static_cast<int>(around_.next_statistics.numel()),
                            .output = model_.flat_buffers().data_ptr<float>()});
  buckets_.wait();
}

void KernelEngine::load() {
  around_.next_statistics.copy_(model_.flat_buffers());
  weights_changed();
}

void KernelEngine::weights_changed() {
  if (values_.defined()) values_.copy_(model_.store().flat_weights());
}

at::Tensor KernelEngine::logits(const at::Tensor& images) {
  const int64_t count = images.size(0);
  at::Tensor all = at::zeros({count, kExpressionCount}, head_->logits().options());
  for (int64_t begin = 0; begin < count; begin += around_.most_images) {
    const int64_t taken = std::min(around_.most_images, count - begin);
    const KernelBatch batch{.images = static_cast<int>(taken), .training = false};
    const at::Tensor own = images.narrow(0, begin, taken);
    around_.source = {.first = zero_.const_data_ptr<int32_t>(), .scale = model_.network().input};
    if (own.scalar_type() == at::kByte)
      around_.source.split_images = own.const_data_ptr<uint8_t>();
    else
      around_.source.pixels = own.const_data_ptr<float>();
    for (const auto& stage : stages_) stage->forward(batch);
    head_->evaluate(batch);
    all.narrow(0, begin, taken).copy_(head_->logits().narrow(0, 0, taken));
  }
  return all;
}

}  // namespace fer_ddp
