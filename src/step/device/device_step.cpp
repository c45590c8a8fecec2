#include "step/device/device_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "network/engine_plan.h"
#include "step/autograd/autograd_step.h"
#include "step/device/autograd_engine.h"
#include "step/device/kernel_engine.h"
#include "step/input_images.h"

namespace fer_ddp {

namespace {

// Steps whose sums may be outstanding: enough that the device never waits for the host, few enough that a device that
// has stopped is noticed.
constexpr size_t kMostPending = StepUpload::kMostSteps;
constexpr int64_t kImagesEvaluatedAtOnce = 512;
constexpr int64_t kCells = kExpressionCount * kExpressionCount;  // of a confusion matrix

std::vector<PixelScale> scales_of(const Model& model, const Teachers* teachers) {
  std::vector<PixelScale> scales = {model.network().input};
  if (teachers != nullptr)
    for (const auto& teacher : teachers->models())
      if (std::find(scales.begin(), scales.end(), teacher->network().input) == scales.end())
        scales.push_back(teacher->network().input);
  return scales;
}

}  // namespace

DeviceStep::DeviceStep(Model& model, Optimizer& optimizer, const Dataset& dataset, DeviceRuntime& runtime,
                       const Config& config, const Teachers* teachers, std::unique_ptr<DeviceKernels> kernels)
    : host_model_(model),
      host_optimizer_(optimizer),
      runtime_(runtime),
      config_(config),
      teachers_(teachers),
      model_(std::make_unique<Model>(model.network(), config, runtime.device())),
      numbers_(runtime.device()),
      feed_(dataset, model, config, scales_of(model, teachers), runtime.device(), kernels != nullptr),
      kernels_(std::move(kernels)),
      sums_(at::zeros({2}, model_->flat_buffers().options())) {
  runtime.use_precision(config.precision);
  if (kernels_ && runtime.kernel_clock() != nullptr) {
    auto timed = std::make_unique<TimedKernels>(std::move(kernels_), config.precision, *runtime.kernel_clock());
    timed_ = timed.get();
    kernels_ = std::move(timed);
  }
  make_engine();
  reload();
}

void DeviceStep::make_engine() {
  DeviceWeights weights;
  if (kernels_) {
    auto engine = std::make_unique<KernelEngine>(*model_, feed_, numbers_, runtime_, *kernels_, config_, teachers_);
    weights = {kernels_.get(), engine->weight_values()};
    engine_ = std::move(engine);
  } else {
    engine_ = std::make_unique<AutogradEngine>(*model_, feed_, numbers_, runtime_, config_, teachers_);
  }
  optimizer_ = make_device_optimizer(config_, model_->store().layout(), runtime_.device(), numbers_, weights);
}

// Engines size their memory by what their kernels say.
void DeviceStep::use_choices(const std::string& choices) {
  if (!kernels_) return;
  const std::string before = kernels_->choices();
  kernels_->use_choices(choices);
  if (kernels_->choices() == before) return;
  engine_.reset();
  make_engine();
  reload();
}

void DeviceStep::begin_epoch(int epoch, std::span<const int32_t> order) { feed_.begin_epoch(epoch, order); }

BatchSums DeviceStep::run(const BatchShare& share, double learning_rate) {
  const auto images = static_cast<int64_t>(share.rows.size());
  BatchSums finished;
  if (pending_.size() >= kMostPending) finished = take_oldest();
  feed_.feed(share, numbers_);
  optimizer_->begin_step(learning_rate, ++steps_);
  const TimedStep timed(runtime_.kernel_clock(), timed_);
  numbers_.upload();
  // Shares of one size may come from batches of two, on some ranks alone: the batch is what all ranks agree on.
  runtime_.run_repeatedly(share.global_images, [this, images, global_images = share.global_images] {
    engine_->compute(images, global_images, sums_);
    const at::NoGradGuard no_grad;
    optimizer_->update(model_->store().flat_weights(), model_->store().flat_gradients());
    if (!optimizer_->renews_values()) engine_->weights_changed();
    if (optimizer_->average_share().defined()) model_->average_buffers(optimizer_->average_share());
  });
  pending_.push_back({runtime_.start_copy(sums_), images});
  return finished;
}

std::string DeviceStep::computed_by() const {
  if (kernels_) return kernels_->description();
  if (config_.step == StepChoice::kAutograd) return "LibTorch's operators, as step asks for";
  const std::string refusal = device_kernel_refusal(model_->network());
  return fmt::format("LibTorch's operators: {}",
                     refusal.empty() ? "not all ranks' GPUs have kernels at this precision" : refusal);
}

std::vector<KernelTime> DeviceStep::kernel_times() const {
  if (timed_ != nullptr) return timed_->times();
  KernelClock* clock = runtime_.kernel_clock();
  return clock == nullptr ? std::vector<KernelTime>() : times_by_name(clock->times());
}

BatchSums DeviceStep::take_oldest() {
  const Pending oldest = std::move(pending_.front());
  pending_.pop_front();
  const at::Tensor sums = oldest.sums->wait();
  const float* values = sums.const_data_ptr<float>();
  return {.loss = static_cast<double>(values[0]), .correct = static_cast<int64_t>(values[1]), .images = oldest.images};
}

BatchSums DeviceStep::synchronize() {
  BatchSums sums;
  while (!pending_.empty()) sums += take_oldest();
  const at::NoGradGuard no_grad;
  std::vector<std::unique_ptr<PendingValues>> copies;
  copies.push_back(runtime_.start_copy(model_->store().flat_weights()));
  for (const at::Tensor& slot : optimizer_->slots()) copies.push_back(runtime_.start_copy(slot));
  for (const at::Tensor& buffers : {model_->flat_buffers(), model_->flat_averaged_buffers()})
    if (buffers.defined()) copies.push_back(runtime_.start_copy(buffers));
  size_t next = 0;
  host_model_.store().flat_weights().copy_(copies[next++]->wait());
  for (Optimizer::Slot& slot : host_optimizer_.slots()) {
    const at::Tensor values = copies[next++]->wait();
    std::copy_n(values.const_data_ptr<float>(), slot.values.size(), slot.values.data());
  }
  for (const at::Tensor& buffers : {host_model_.flat_buffers(), host_model_.flat_averaged_buffers()})
    if (buffers.defined()) buffers.copy_(copies[next++]->wait());
  host_optimizer_.set_step_count(steps_);
  return sums;
}

void DeviceStep::reload() {
  const at::NoGradGuard no_grad;
  steps_ = host_optimizer_.step_count();
  copy_tensors(host_model_, *model_);
  for (size_t i = 0; i < optimizer_->slots().size(); ++i) {
    std::vector<float>& values = host_optimizer_.slots()[i].values;
    optimizer_->slots()[i].copy_(at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kFloat));
  }
  if (model_->flat_averaged_buffers().defined())
    at::Tensor(model_->flat_averaged_buffers()).copy_(host_model_.flat_averaged_buffers());
  if (steps_ == 0) optimizer_->begin_average(model_->store().flat_weights());
  engine_->load();
}

size_t DeviceStep::place_evaluation(Split split, PositionRange rows, bool of_each) {
  const auto is_same = [&](const Evaluation& known) {
    return known.split == split && known.rows == rows && known.of_each == of_each;
  };
  const auto found = std::find_if(evaluations_.begin(), evaluations_.end(), is_same);
  if (found != evaluations_.end()) return static_cast<size_t>(found - evaluations_.begin());
  const at::TensorOptions options = sums_.options();
  evaluations_.push_back({split, rows, of_each, at::empty({kCells + 1}, options.dtype(at::kDouble)),
                          at::empty({of_each ? rows.size() : 0, 4}, options)});
  return evaluations_.size() - 1;
}

void DeviceStep::evaluate_into(const Evaluation& evaluation) {
  const at::NoGradGuard no_grad;
  const DeviceFeed::Split& images = feed_.split(evaluation.split);
  at::Tensor confusion = evaluation.sums.narrow(0, 0, kCells);
  at::Tensor loss = evaluation.sums.narrow(0, kCells, 1);
  at::Tensor(evaluation.sums).zero_();
  const PositionRange rows = evaluation.rows;
  for (int64_t begin = rows.begin; begin < rows.end; begin += kImagesEvaluatedAtOnce) {
    const int64_t count = std::min(kImagesEvaluatedAtOnce, rows.end - begin);
    const at::Tensor labels = images.labels.narrow(0, begin, count);
    const at::Tensor logits = engine_->logits(images.images.narrow(0, begin, count));
    loss.add_(summed_loss(logits, labels, config_.label_smoothing).to(at::kDouble));
    const at::Tensor called = logits.argmax(1);
    const at::Tensor cells = labels * kExpressionCount + called;
    confusion.index_add_(0, cells, at::ones({count}, evaluation.sums.options()));
    if (!evaluation.of_each) continue;
    const at::Tensor pair = at::stack({labels, called}, 1);
    const at::Tensor of_batch = evaluation.said.narrow(0, begin - rows.begin, count);
    of_batch.narrow(1, 0, 2).copy_(pair);
    of_batch.narrow(1, 2, 2).copy_(at::softmax(logits, 1, at::kFloat).gather(1, pair));
  }
}

EvaluationSums DeviceStep::evaluate_each(const Dataset&, Split split, PositionRange rows,
                                         std::span<ImagePrediction> predictions) {
  const size_t place = place_evaluation(split, rows, !predictions.empty());
  // Below all keys of steps.
  runtime_.run_repeatedly(-1 - static_cast<int64_t>(place), [this, place] { evaluate_into(evaluations_[place]); });
  const Evaluation& evaluation = evaluations_[place];
  if (evaluation.of_each) {
    const at::Tensor found = runtime_.start_copy(evaluation.said)->wait();
    for (size_t row = 0; row < predictions.size(); ++row) {
      const float* at_row = found.const_data_ptr<float>() + row * 4;
      predictions[row] = {.label = static_cast<uint8_t>(at_row[0]),
                          .called = static_cast<uint8_t>(at_row[1]),
                          .probability = at_row[3],
                          .label_probability = at_row[2]};
    }
  }
  const at::Tensor values = runtime_.start_copy(evaluation.sums)->wait();
  EvaluationSums result;
  for (size_t cell = 0; cell < result.confusion.size(); ++cell)
    result.confusion[cell] = static_cast<int64_t>(values.const_data_ptr<double>()[cell]);
  result.loss = values.const_data_ptr<double>()[result.confusion.size()];
  return result;
}

std::vector<float> DeviceStep::probabilities(const Dataset&, Split split, PositionRange rows, const ImageView& view) {
  const at::NoGradGuard no_grad;
  const at::Tensor from_row = at::tensor(view_rows(view), at::kLong).to(runtime_.device());
  const at::Tensor from_column = at::tensor(view_columns(view), at::kLong).to(runtime_.device());
  at::Tensor shares = at::zeros({rows.size(), kExpressionCount}, sums_.options());
  for (int64_t begin = rows.begin; begin < rows.end; begin += kImagesEvaluatedAtOnce) {
    const int64_t count = std::min(kImagesEvaluatedAtOnce, rows.end - begin);
    const at::Tensor whole = input_images(model_->network().input, feed_.split(split).images.narrow(0, begin, count));
    const at::Tensor seen =
        whole.view({count, kImageSide, kImageSide}).index_select(1, from_row).index_select(2, from_column);
    const at::Tensor logits = engine_->logits(as_input(seen.view({count, kImagePixels})));
    shares.narrow(0, begin - rows.begin, count).copy_(at::softmax(logits, 1));
  }
  const at::Tensor found = runtime_.start_copy(shares)->wait();
  return {found.const_data_ptr<float>(), found.const_data_ptr<float>() + found.numel()};
}

}  // namespace fer_ddp
