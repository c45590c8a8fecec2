#include "step/device/device_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>

#include "step/autograd/autograd_step.h"
#include "step/input_images.h"

namespace fer_ddp {

namespace {

// Steps whose sums may be outstanding: enough that the device never waits for the host, few enough that a device that
// has stopped is noticed.
constexpr size_t kMostPending = 4;
constexpr int64_t kImagesEvaluatedAtOnce = 512;
constexpr int64_t kKeptUnitsBytes = int64_t{1} << 26;  // of what dropout keeps, unless a step needs more

at::Tensor bytes_on(at::Device device, std::span<const uint8_t> bytes, at::IntArrayRef shape) {
  const at::Tensor view = at::from_blob(const_cast<uint8_t*>(bytes.data()), shape, at::kByte);
  return view.to(device, view.scalar_type(), false, true);
}

// Autograd would run a GPU's backward on a thread of its own, and with it the sums over the ranks that it starts; these
// ask MPI whether another rank has called the roll, and MPI is this thread's.
class BackwardOnThisThread {
 public:
  BackwardOnThisThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(false); }
  BackwardOnThisThread(const BackwardOnThisThread&) = delete;
  BackwardOnThisThread& operator=(const BackwardOnThisThread&) = delete;
  ~BackwardOnThisThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(before_); }

 private:
  bool before_ = c10::AutogradState::get_tls_state().get_multithreading_enabled();
};

struct DeviceStatisticsSum {
  Reducer& reducer;
  void operator()(std::span<float> sums) const { reducer.start_sum(sums)->wait(); }
  void operator()(std::span<double> sums) const { reducer.all_reduce(sums, ReduceOperation::kSum); }
};

SumOverRanks statistics_sum(Reducer& reducer, const Config& config) {
  if (config.batch_norm == BatchNormScope::kLocal) return [](auto) {};
  return DeviceStatisticsSum{reducer};
}

void copy_tensors(Model& from, Model& to) {
  to.store().flat_weights().copy_(from.store().flat_weights());
  for (size_t i = 0; i < to.buffers().size(); ++i) at::Tensor(to.buffers()[i].value).copy_(from.buffers()[i].value);
}

}  // namespace

DeviceStep::DeviceStep(Model& model, Optimizer& optimizer, const Dataset& dataset, DeviceRuntime& runtime,
                       const Config& config, const Teachers* teachers)
    : host_model_(model),
      host_optimizer_(optimizer),
      runtime_(runtime),
      config_(config),
      model_(std::make_unique<Model>(model.network(), config, runtime.device())),
      optimizer_(make_device_optimizer(config, model.store().layout(), runtime.device())),
      buckets_(model_->store(), runtime.reducer(), kSmallestGradientBucket),
      hooks_(model_->store(), buckets_),
      sum_statistics_(statistics_sum(runtime.reducer(), config)),
      feeds_images_(has_image_recipe(config)) {
  const at::Device device = runtime.device();
  for (const Split split : kSplits) {
    const SplitView& view = dataset.split(split);
    splits_[split] = {bytes_on(device, view.images, {view.size(), kImageSide, kImageSide}),
                      bytes_on(device, view.labels, {view.size()}).to(at::kLong)};
  }
  position_ = at::zeros({}, at::TensorOptions(at::kLong).device(device));
  kept_begin_ = at::zeros_like(position_);
  loss_scale_ = at::zeros({}, at::TensorOptions(at::kFloat).device(device));
  sums_ = at::zeros({2}, loss_scale_.options());
  if (teachers != nullptr) {
    const at::NoGradGuard no_grad;
    for (const auto& teacher : teachers->models()) {
      teachers_.push_back(std::make_unique<Model>(teacher->network(), config, device));
      copy_tensors(*teacher, *teachers_.back());
    }
  }
  reload();
}

void DeviceStep::begin_epoch(int epoch, std::span<const int32_t> order) {
  const auto rows = static_cast<int64_t>(order.size());
  const at::Tensor view = at::from_blob(const_cast<int32_t*>(order.data()), {rows}, at::kInt);
  // Recorded work knows the tensors' places: their content is replaced, never they themselves.
  if (!order_.defined()) {
    order_ = at::empty({rows}, position_.options());
    if (feeds_images_) {
      const int64_t most = std::min<int64_t>(config_.batch_size, rows);
      fed_pixels_[model_->network().input] = at::zeros({most, kImagePixels}, loss_scale_.options());
      for (const auto& teacher : teachers_)
        fed_pixels_[teacher->network().input] = at::zeros({most, kImagePixels}, loss_scale_.options());
      fed_targets_ = at::zeros({most, kExpressionCount}, loss_scale_.options());
      fed_labels_ = at::zeros({most}, position_.options());
    }
    if (const int64_t units = host_model_.dropped_units(); units > 0) {
      const int64_t room = std::clamp(kKeptUnitsBytes / units, std::min<int64_t>(config_.batch_size, rows), rows);
      kept_units_ = at::empty({room, units}, at::TensorOptions(at::kByte).device(runtime_.device()));
    }
  }
  order_.copy_(view.to(at::kLong));
  epoch_ = epoch;
  kept_range_ = {0, 0};
}

// Draws what dropout keeps, from the step's first image as far as the memory for it reaches: in most networks that is
// the epoch's end.
void DeviceStep::provide_kept_units(int64_t first_position, int64_t images) {
  const bool known = kept_range_.begin <= first_position && first_position + images <= kept_range_.end;
  if (!kept_units_.defined() || images == 0 || known) return;
  kept_range_ = {first_position, std::min(first_position + kept_units_.size(0), order_.size(0))};
  const at::Tensor kept = host_model_.draw_kept_units(epoch_, kept_range_.begin, kept_range_.size());
  kept_units_.narrow(0, 0, kept_range_.size()).copy_(kept);
  kept_begin_.fill_(kept_range_.begin);
}

void DeviceStep::feed_images(const BatchShare& share) {
  const ShareImages taken(share, model_->network().input, config_.label_smoothing);
  const int64_t images = taken.count();
  // All of it first: the device goes on with the steps before while the host is at it.
  std::map<PixelScale, at::Tensor> pixels;
  for (const auto& [scale, fed] : fed_pixels_) {
    const ShareImages scaled(share, scale, 0);
    pixels[scale] = input_images(images, [&](int64_t i, float* image) { scaled.write(i, image); });
  }
  const at::Tensor targets = targets_of(taken);
  const at::Tensor labels = labels_of(taken);
  for (const auto& [scale, made] : pixels)
    fed_pixels_.at(scale).narrow(0, 0, images).copy_(made.view({images, kImagePixels}));
  fed_targets_.narrow(0, 0, images).copy_(targets);
  fed_labels_.narrow(0, 0, images).copy_(labels);
}

BatchSums DeviceStep::run(const BatchShare& share, double learning_rate) {
  const auto images = static_cast<int64_t>(share.rows.size());
  BatchSums finished;
  if (pending_.size() >= kMostPending) finished = take_oldest();
  provide_kept_units(share.first_position, images);
  if (feeds_images_) feed_images(share);
  position_.fill_(share.first_position);
  loss_scale_.fill_(1.0 / static_cast<double>(share.global_images));
  optimizer_->begin_step(learning_rate, ++steps_);
  // Shares of one size may come from batches of two, on some ranks alone: the batch is what all ranks agree on.
  runtime_.run_repeatedly(share.global_images, [this, images] { compute(images); });
  pending_.push_back({runtime_.start_copy(sums_), images});
  return finished;
}

// What a network takes in of these rows of the training split.
at::Tensor DeviceStep::input_of(const Model& model, const at::Tensor& rows) const {
  const PixelScale scale = model.network().input;
  if (feeds_images_) return as_input(fed_pixels_.at(scale).narrow(0, 0, rows.size(0)));
  return input_images(scale, splits_[Split::kTrain].images.index_select(0, rows));
}

// The teachers' mean probabilities at their temperature.
at::Tensor DeviceStep::said_by_teachers(const at::Tensor& rows) const {
  const at::NoGradGuard no_grad;
  ForwardContext context;
  context.tensor_operators = true;
  at::Tensor mean = at::zeros({rows.size(0), kExpressionCount}, sums_.options());
  for (const auto& teacher : teachers_)
    mean.add_(at::softmax(teacher->forward(input_of(*teacher, rows), context) / config_.distill_temperature, 1));
  return mean.div_(static_cast<double>(teachers_.size()));
}

void DeviceStep::compute(int64_t images) {
  model_->store().clear_gradients();
  const at::Tensor positions = position_ + at::arange(images, position_.options());
  const at::Tensor rows = order_.index_select(0, positions);
  const DeviceSplit& split = splits_[Split::kTrain];
  const at::Tensor labels = feeds_images_ ? fed_labels_.narrow(0, 0, images) : split.labels.index_select(0, rows);
  ForwardContext context{.training = true, .sum_statistics = sum_statistics_};
  context.tensor_operators = true;
  if (kept_units_.defined()) context.kept_units = kept_units_.index_select(0, positions - kept_begin_);
  const at::Tensor logits = model_->forward(input_of(*model_, rows), context);
  at::Tensor loss = feeds_images_ ? summed_loss(logits, fed_targets_.narrow(0, 0, images), 0)
                                  : summed_loss(logits, labels, config_.label_smoothing);
  if (!teachers_.empty())
    loss = loss * (1.0 - config_.distill_weight) +
           summed_teacher_loss(logits, said_by_teachers(rows), config_.distill_weight, config_.distill_temperature);
  {
    const BackwardOnThisThread here;
    torch::autograd::backward({loss * loss_scale_}, {});
  }
  const at::NoGradGuard no_grad;
  buckets_.wait();
  optimizer_->update(model_->store().flat_weights(), model_->store().flat_gradients());
  if (optimizer_->average_share().defined()) model_->average_buffers(optimizer_->average_share());
  sums_.copy_(at::stack({loss.detach(), (logits.argmax(1) == labels).sum().to(at::kFloat)}));
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
  for (const auto* buffers : {&model_->buffers(), &model_->averaged_buffers()})
    for (const Buffer& buffer : *buffers) copies.push_back(runtime_.start_copy(buffer.value));
  size_t next = 0;
  host_model_.store().flat_weights().copy_(copies[next++]->wait());
  for (Optimizer::Slot& slot : host_optimizer_.slots()) {
    const at::Tensor values = copies[next++]->wait();
    std::copy_n(values.const_data_ptr<float>(), slot.values.size(), slot.values.data());
  }
  for (const auto* buffers : {&host_model_.buffers(), &host_model_.averaged_buffers()})
    for (const Buffer& buffer : *buffers) at::Tensor(buffer.value).copy_(copies[next++]->wait());
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
  for (size_t i = 0; i < model_->averaged_buffers().size(); ++i)
    at::Tensor(model_->averaged_buffers()[i].value).copy_(host_model_.averaged_buffers()[i].value);
  if (steps_ == 0) optimizer_->begin_average(model_->store().flat_weights());
}

EvaluationSums DeviceStep::evaluate_each(const Dataset&, Split split, PositionRange rows,
                                         std::span<ImagePrediction> predictions) {
  const at::NoGradGuard no_grad;
  const DeviceSplit& images = splits_[split];
  ForwardContext context;
  context.tensor_operators = true;
  // Counts by (label, called), then the loss: all that comes to the host.
  at::Tensor sums = at::zeros({kExpressionCount * kExpressionCount + 1}, sums_.options().dtype(at::kDouble));
  at::Tensor confusion = sums.narrow(0, 0, kExpressionCount * kExpressionCount);
  at::Tensor loss = sums.narrow(0, kExpressionCount * kExpressionCount, 1);
  // By row: the label, what it is called, and the probabilities of both.
  const at::Tensor said = at::zeros({static_cast<int64_t>(predictions.size()), 4}, sums_.options().dtype(at::kFloat));
  for (int64_t begin = rows.begin; begin < rows.end; begin += kImagesEvaluatedAtOnce) {
    const int64_t count = std::min(kImagesEvaluatedAtOnce, rows.end - begin);
    const at::Tensor labels = images.labels.narrow(0, begin, count);
    const at::Tensor logits =
        model_->forward(input_images(model_->network().input, images.images.narrow(0, begin, count)), context);
    loss.add_(summed_loss(logits, labels, config_.label_smoothing).to(at::kDouble));
    const at::Tensor called = logits.argmax(1);
    const at::Tensor cells = labels * kExpressionCount + called;
    confusion.index_add_(0, cells, at::ones({count}, sums.options()));
    if (predictions.empty()) continue;
    const at::Tensor pair = at::stack({labels, called}, 1);
    const at::Tensor of_batch = said.narrow(0, begin - rows.begin, count);
    of_batch.narrow(1, 0, 2).copy_(pair);
    of_batch.narrow(1, 2, 2).copy_(at::softmax(logits, 1, at::kFloat).gather(1, pair));
  }
  if (!predictions.empty()) {
    const at::Tensor found = runtime_.start_copy(said)->wait();
    for (size_t row = 0; row < predictions.size(); ++row) {
      const float* at_row = found.const_data_ptr<float>() + row * 4;
      predictions[row] = {.label = static_cast<uint8_t>(at_row[0]),
                          .called = static_cast<uint8_t>(at_row[1]),
                          .probability = at_row[3],
                          .label_probability = at_row[2]};
    }
  }
  const at::Tensor values = runtime_.start_copy(sums)->wait();
  EvaluationSums result;
  for (size_t cell = 0; cell < result.confusion.size(); ++cell)
    result.confusion[cell] = static_cast<int64_t>(values.const_data_ptr<double>()[cell]);
  result.loss = values.const_data_ptr<double>()[result.confusion.size()];
  return result;
}

std::vector<float> DeviceStep::probabilities(const Dataset&, Split split, PositionRange rows, const ImageView& view) {
  const at::NoGradGuard no_grad;
  ForwardContext context;
  context.tensor_operators = true;
  const at::Tensor from_row = at::tensor(view_rows(view), at::kLong).to(runtime_.device());
  const at::Tensor from_column = at::tensor(view_columns(view), at::kLong).to(runtime_.device());
  at::Tensor shares = at::zeros({rows.size(), kExpressionCount}, sums_.options());
  for (int64_t begin = rows.begin; begin < rows.end; begin += kImagesEvaluatedAtOnce) {
    const int64_t count = std::min(kImagesEvaluatedAtOnce, rows.end - begin);
    const at::Tensor whole = input_images(model_->network().input, splits_[split].images.narrow(0, begin, count));
    const at::Tensor seen =
        whole.view({count, kImageSide, kImageSide}).index_select(1, from_row).index_select(2, from_column);
    const at::Tensor logits = model_->forward(as_input(seen.view({count, kImagePixels})), context);
    shares.narrow(0, begin - rows.begin, count).copy_(at::softmax(logits, 1));
  }
  const at::Tensor found = runtime_.start_copy(shares)->wait();
  return {found.const_data_ptr<float>(), found.const_data_ptr<float>() + found.numel()};
}

}  // namespace fer_ddp
