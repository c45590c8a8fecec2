#include "step/evaluator.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "data/sampler.h"
#include "step/autograd/autograd_step.h"
#include "step/input_images.h"

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

void add(EvaluationSums& to, const EvaluationSums& sums) {
  to.loss += sums.loss;
  for (size_t cell = 0; cell < to.confusion.size(); ++cell) to.confusion[cell] += sums.confusion[cell];
}

EvaluationSums over_all_ranks(EvaluationSums sums, Communicator& communicator) {
  communicator.all_reduce(std::span(&sums.loss, 1), ReduceOperation::kSum);
  communicator.all_reduce(std::span<int64_t>(sums.confusion), ReduceOperation::kSum);
  return sums;
}

double mean_loss(const EvaluationSums& sums, int64_t images) {
  return images > 0 ? sums.loss / static_cast<double>(images) : std::numeric_limits<double>::quiet_NaN();
}

Evaluation evaluation_of(const EvaluationSums& sums, int64_t images) {
  Evaluation evaluation{.loss = mean_loss(sums, images), .images = images};
  for (size_t cell = 0; cell < sums.confusion.size(); ++cell)
    evaluation.confusion[cell / kExpressionCount][cell % kExpressionCount] = sums.confusion[cell];
  return evaluation;
}

Score score_of(const EvaluationSums& sums, int64_t images) {
  Score score{.loss = mean_loss(sums, images), .images = images};
  for (size_t label = 0; label < kExpressionCount; ++label)
    score.correct += sums.confusion[label * (kExpressionCount + 1)];
  return score;
}

// Rows next to each other that are all copies, or none of them is.
struct Run {
  PositionRange rows;
  bool copies = false;
};

std::vector<Run> runs_of(PositionRange rows, const std::vector<int32_t>& copies) {
  std::vector<Run> runs;
  auto copy = std::lower_bound(copies.begin(), copies.end(), rows.begin);
  for (int64_t row = rows.begin; row < rows.end;) {
    Run run{.rows = {row, rows.end}, .copies = copy != copies.end() && *copy == row};
    if (run.copies)
      for (run.rows.end = row; copy != copies.end() && *copy == run.rows.end && run.rows.end < rows.end; ++copy)
        ++run.rows.end;
    else if (copy != copies.end())
      run.rows.end = std::min<int64_t>(*copy, rows.end);
    runs.push_back(run);
    row = run.rows.end;
  }
  return runs;
}

// A step's ranks evaluate together, so each does as many runs as the rank that has the most.
size_t most_runs(int64_t images, const std::vector<int32_t>& copies, int world_size) {
  size_t most = 0;
  for (int rank = 0; rank < world_size; ++rank)
    most = std::max(most, runs_of(rank_share({0, images}, rank, world_size), copies).size());
  return most;
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
  return evaluation_of(over_all_ranks(step.evaluate(dataset, split, mine), communicator), images);
}

Evaluation evaluate_copies_apart(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator) {
  if (split == Split::kTrain) return evaluate(step, dataset, split, communicator);
  const int64_t images = dataset.split(split).size();
  const std::vector<int32_t>& copies = dataset.copies(split);
  const PositionRange mine = rank_share({0, images}, communicator.rank(), communicator.size());
  std::vector<Run> runs = runs_of(mine, copies);
  runs.resize(most_runs(images, copies, communicator.size()), {.rows = {mine.end, mine.end}});
  EvaluationSums of_copies;
  EvaluationSums of_others;
  for (const Run& run : runs) add(run.copies ? of_copies : of_others, step.evaluate(dataset, split, run.rows));
  of_copies = over_all_ranks(of_copies, communicator);
  of_others = over_all_ranks(of_others, communicator);
  EvaluationSums all = of_others;
  add(all, of_copies);
  Evaluation evaluation = evaluation_of(all, images);
  evaluation.without_copies = score_of(of_others, images - static_cast<int64_t>(copies.size()));
  return evaluation;
}

}  // namespace fer_ddp
