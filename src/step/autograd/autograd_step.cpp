#include "step/autograd/autograd_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "core/expressions.h"
#include "step/evaluator.h"
#include "step/input_images.h"
#include "step/piecewise_update.h"

namespace fer_ddp {

namespace {

SumOverRanks statistics_sum(Communicator& communicator, const Config& config) {
  if (config.batch_norm == BatchNormScope::kLocal) return [](auto) {};
  return [&communicator](auto sums) { communicator.all_reduce(sums, ReduceOperation::kSum); };
}

at::Tensor said_by(const TeacherTargets& teachers) {
  const auto images = static_cast<int64_t>(teachers.probabilities.size()) / kExpressionCount;
  return at::from_blob(const_cast<float*>(teachers.probabilities.data()), {images, kExpressionCount}, at::kFloat);
}

}  // namespace

at::Tensor summed_loss(const at::Tensor& logits, const at::Tensor& targets, double label_smoothing) {
  return at::cross_entropy_loss(logits, targets, {}, at::Reduction::Sum, -100, label_smoothing);
}

at::Tensor summed_teacher_loss(const at::Tensor& logits, const at::Tensor& probabilities, double weight,
                               double temperature) {
  return summed_loss(logits / temperature, probabilities, 0) * (weight * temperature * temperature);
}

at::Tensor labels_of(const ShareImages& images) {
  at::Tensor labels = at::empty({images.count()}, at::kLong);
  for (int64_t i = 0; i < images.count(); ++i) labels.data_ptr<int64_t>()[i] = images.label(i);
  return labels;
}

at::Tensor targets_of(const ShareImages& images) {
  at::Tensor targets = at::empty({images.count(), kExpressionCount}, at::kFloat);
  for (int64_t i = 0; i < images.count(); ++i) images.write_target(i, targets.data_ptr<float>() + i * kExpressionCount);
  return targets;
}

AutogradStep::AutogradStep(Model& model, Optimizer& optimizer, Communicator& communicator, const Config& config)
    : model_(model),
      optimizer_(optimizer),
      buckets_(model.store(), communicator, kSmallestGradientBucket),
      sum_statistics_(statistics_sum(communicator, config)),
      label_smoothing_(config.label_smoothing),
      hooks_(model.store(), buckets_) {}

BatchSums AutogradStep::run(const BatchShare& share, double learning_rate) {
  model_.store().clear_gradients();
  const BatchSums sums = forward_and_backward(share);
  buckets_.wait();
  update(learning_rate);
  return sums;
}

BatchSums AutogradStep::forward_and_backward(const BatchShare& share) {
  const ShareImages taken(share, model_.network().input, label_smoothing_);
  const at::Tensor images = input_images(taken.count(), [&](int64_t i, float* pixels) { taken.write(i, pixels); });
  const at::Tensor labels = labels_of(taken);
  const ForwardContext context{.training = true,
                               .epoch = share.epoch,
                               .first_position = share.first_position,
                               .sum_statistics = sum_statistics_};
  const at::Tensor logits = model_.forward(images, context);
  at::Tensor loss = taken.has_targets() ? summed_loss(logits, targets_of(taken), 0)
                                        : summed_loss(logits, labels, taken.label_smoothing());
  if (taken.has_softened_part()) {
    const TeacherTargets& teachers = taken.teachers();
    loss = loss + summed_teacher_loss(logits, said_by(teachers), teachers.weight, teachers.temperature);
  }
  torch::autograd::backward({loss / static_cast<double>(share.global_images)}, {});
  const at::NoGradGuard no_grad;
  return {.loss = loss.item<double>(),
          .correct = (logits.argmax(1) == labels).sum().item<int64_t>(),
          .images = static_cast<int64_t>(share.rows.size())};
}

EvaluationSums AutogradStep::evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                           std::span<ImagePrediction> predictions) {
  return evaluate_rows(model_, dataset.split(split), rows, label_smoothing_, predictions);
}

std::vector<float> AutogradStep::probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                               const ImageView& view) {
  return probabilities_of_rows(model_, dataset.split(split), rows, view);
}

void AutogradStep::update(double learning_rate) {
  update_all_pieces(optimizer_, learning_rate, model_.store().weights(), model_.store().gradients());
  model_.average_buffers(optimizer_.average_share());
}

}  // namespace fer_ddp
