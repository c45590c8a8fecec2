#include "step/evaluator.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "data/sampler.h"
#include "step/autograd/autograd_step.h"

namespace fer_ddp {

namespace {

constexpr int64_t kImagesAtOnce = 64;  // activations stay within the caches

void add_batch(Model& model, const SplitView& split, PositionRange rows, double label_smoothing, EvaluationSums& sums) {
  const at::Tensor images = input_images(model.network().input, rows.size(), [&](int64_t i) {
    return split.images.data() + (rows.begin + i) * kImagePixels;
  });
  at::Tensor labels = at::empty({rows.size()}, at::kLong);
  for (int64_t i = 0; i < rows.size(); ++i)
    labels.data_ptr<int64_t>()[i] = split.labels[static_cast<size_t>(rows.begin + i)];
  const at::Tensor logits = model.forward(images, {});
  sums.loss += summed_loss(logits, labels, label_smoothing).item<double>();
  const at::Tensor called = logits.argmax(1);
  for (int64_t i = 0; i < rows.size(); ++i) {
    const int64_t cell = labels.const_data_ptr<int64_t>()[i] * kExpressionCount + called.const_data_ptr<int64_t>()[i];
    ++sums.confusion[static_cast<size_t>(cell)];
  }
}

Evaluation add_up(EvaluationSums sums, int64_t images, Communicator& communicator) {
  communicator.all_reduce(std::span(&sums.loss, 1), ReduceOperation::kSum);
  communicator.all_reduce(std::span<int64_t>(sums.confusion), ReduceOperation::kSum);
  Evaluation evaluation;
  evaluation.images = images;
  if (images > 0) evaluation.loss = sums.loss / static_cast<double>(images);
  for (size_t cell = 0; cell < sums.confusion.size(); ++cell)
    evaluation.confusion[cell / kExpressionCount][cell % kExpressionCount] = sums.confusion[cell];
  return evaluation;
}

}  // namespace

EvaluationSums evaluate_rows(Model& model, const SplitView& split, PositionRange rows, double label_smoothing) {
  const at::NoGradGuard no_grad;
  EvaluationSums sums;
  for (int64_t begin = rows.begin; begin < rows.end; begin += kImagesAtOnce)
    add_batch(model, split, {begin, std::min(begin + kImagesAtOnce, rows.end)}, label_smoothing, sums);
  return sums;
}

Evaluation evaluate(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator) {
  const int64_t images = dataset.split(split).size();
  const PositionRange mine = rank_share({0, images}, communicator.rank(), communicator.size());
  return add_up(step.evaluate(dataset, split, mine), images, communicator);
}

}  // namespace fer_ddp
