#include "step/device/kernel_engine.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "core/expressions.h"
#include "network/gradient_memory.h"
#include "step/device/rounded_reducer.h"

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

KernelEngine::KernelEngine(Model& model, const DeviceFeed& feed, const StepNumbers& numbers, DeviceRuntime& runtime,
                           DeviceKernels& kernels, const Config& config, const Teachers* teachers)
    : model_(model),
      feed_(feed),
      numbers_(numbers),
      statistics_are_global_(config.batch_norm == BatchNormScope::kGlobal),
      network_(model, feed, numbers, kernels,
               {.most_images = std::max<int64_t>(config.batch_size, kFewestEvaluated),
                .label_smoothing = config.label_smoothing,
                .sum_statistics = statistics_sum(runtime.reducer(), config)}),
      around_(network_.around()),
      rounded_(make_rounding_reducer(runtime.reducer(), model.store().flat_gradients(), config)),
      buckets_(model.store(), rounded_ ? *rounded_ : runtime.reducer(), smallest_bucket(config, plan()),
               [this] {
                 if (!around_.weight_parts.empty()) around_.kernels.sum_weight_parts(around_.weight_parts);
                 around_.weight_parts.clear();
               }),
      parameters_of_head_(parameters_of(model, plan().head)) {
  for (const StageSpec& spec : plan().stages)
    parameters_of_stage_.push_back(parameters_of(model, {spec.layer, spec.batch_norm}));
  if (teachers != nullptr) {
    teachers_ = std::make_unique<DeviceTeachers>(*teachers, feed, numbers, runtime, &kernels, config);
    said_ = {.weight = static_cast<float>(config.distill_weight),
             .temperature = static_cast<float>(config.distill_temperature)};
  }
  zero_ = at::zeros({1}, model.flat_buffers().options().dtype(at::kInt));
  model.store().flat_gradients().zero_();  // nobody writes those of a bias that a normalisation takes away again
  make_room_for_sums();
  around_.value_gradient = around_.make_values(around_.value_gradient_size);
  share_gradients();
}

void KernelEngine::make_room_for_sums() {
  const auto images = static_cast<int>(around_.most_images);
  int64_t most = 0;
  for (const StageSpec& spec : plan().stages) {
    const FeatureShape& shape = spec.kind == StageSpec::Kind::kConvolution ? spec.layer->output : spec.output;
    most = std::max(
        most, around_.kernels.channel_sum_parts({images, static_cast<int>(shape.height), static_cast<int>(shape.width),
                                                 static_cast<int>(shape.channels)}));
  }
  // Of the head, dense layers' biases, but for the last: its seven are summed otherwise.
  for (const Layer* layer : plan().head)
    if (std::holds_alternative<layer::Dense>(layer->kind) && layer != plan().head.back())
      most = std::max(most, around_.kernels.channel_sum_parts(
                                {.images = images, .channels = static_cast<int>(layer->output.size())}));
  sum_parts_ = around_.make_floats(most);
  around_.kernels.use_channel_sum_parts(sum_parts_.data_ptr<float>());
}

void KernelEngine::share_gradients() {
  const GradientMemory memory = plan_gradient_memory(plan());
  for (const int64_t size : memory.slot_sizes) gradients_.push_back(around_.make_values(around_.most_images * size));
  for (size_t i = 0; i < network_.stages().size(); ++i)
    network_.stages()[i]->left().gradient = gradients_[memory.slot_of_stage[i]].data_ptr();
}

void KernelEngine::compute(int64_t images, int64_t global_images, at::Tensor& sums) {
  const at::NoGradGuard no_grad;
  const KernelBatch batch{.images = static_cast<int>(images),
                          .statistics_images = statistics_are_global_ ? global_images : images};
  feed_.change_images(around_.kernels, images);
  KernelHead::Truth truth;
  if (const ChangedImageFeed* changed = feed_.changed_images(); changed != nullptr)
    truth = {.labels = changed->labels(), .targets = changed->targets()};
  else
    truth.split_labels = feed_.split(Split::kTrain).label_bytes.const_data_ptr<uint8_t>();
  if (teachers_) truth.teachers = ask_teachers(images);
  around_.source = feed_.source(model_.network().input, numbers_);
  for (const auto& stage : network_.stages()) stage->forward(batch);
  around_.weight_parts.clear();
  network_.head().step(batch, truth, sums.data_ptr<float>());
  backward(batch);
}

TeacherLogits KernelEngine::ask_teachers(int64_t images) {
  const at::Tensor logits = teachers_->ask(images);
  TeacherLogits said = said_;
  said.count = static_cast<int>(logits.size(0));
  said.logits = logits.const_data_ptr<float>();
  said.room = logits.stride(0) / kExpressionCount;
  return said;
}

void KernelEngine::mark_ready(const std::vector<size_t>& parameters) {
  for (const size_t parameter : parameters) buckets_.mark_ready(parameter);
}

void KernelEngine::backward(const KernelBatch& batch) {
  mark_ready(parameters_of_head_);
  for (size_t i = network_.stages().size(); i-- > 1;) {
    network_.stages()[i]->backward(batch);
    mark_ready(parameters_of_stage_[i]);
  }
  network_.stages()[0]->backward(batch);
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

void KernelEngine::weights_changed() { network_.renew_values(); }

at::Tensor KernelEngine::logits(const at::Tensor& images) {
  const int64_t count = images.size(0);
  at::Tensor all = at::zeros({count, kExpressionCount}, network_.head().logits().options());
  for (int64_t begin = 0; begin < count; begin += around_.most_images) {
    const int64_t taken = std::min(around_.most_images, count - begin);
    const at::Tensor own = images.narrow(0, begin, taken);
    ImageSource source{.first = zero_.const_data_ptr<int32_t>(), .scale = model_.network().input};
    if (own.scalar_type() == at::kByte)
      source.split_images = own.const_data_ptr<uint8_t>();
    else
      source.pixels = own.const_data_ptr<float>();
    network_.evaluate(source, taken);
    all.narrow(0, begin, taken).copy_(network_.head().logits().narrow(0, 0, taken));
  }
  return all;
}

}  // namespace fer_ddp
