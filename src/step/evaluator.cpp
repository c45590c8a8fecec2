#include "step/evaluator.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "data/sampler.h"
#include "step/autograd/autograd_step.h"
#include "step/input_images.h"

namespace fer_ddp {

namespace {

constexpr double kLeastProbability = std::numeric_limits<float>::min();
constexpr int64_t kImagesAtOnce = 64;  // activations stay within the caches

void add_batch(Model& model, const SplitView& split, PositionRange rows, double label_smoothing, EvaluationSums& sums,
               std::span<ImagePrediction> predictions) {
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
  if (predictions.empty()) return;
  const at::Tensor shares = at::softmax(logits, 1, at::kFloat).contiguous();
  for (int64_t i = 0; i < rows.size(); ++i)
    predictions[static_cast<size_t>(i)] = prediction_of(static_cast<int>(labels.const_data_ptr<int64_t>()[i]),
                                                        static_cast<int>(called.const_data_ptr<int64_t>()[i]),
                                                        shares.const_data_ptr<float>() + i * kExpressionCount);
}

void add(EvaluationSums& to, const EvaluationSums& sums) {
  to.loss += sums.loss;
  for (size_t cell = 0; cell < to.confusion.size(); ++cell) to.confusion[cell] += sums.confusion[cell];
}

// Adds an image's loss and call by its mean probabilities over the views, of which `shares` are the sums.
ImagePrediction add_image(const double* shares, size_t views, int label, double label_smoothing, EvaluationSums& sums) {
  std::array<float, kExpressionCount> probabilities{};
  for (int k = 0; k < kExpressionCount; ++k) {
    const double target = (k == label ? 1.0 - label_smoothing : 0.0) + label_smoothing / kExpressionCount;
    const double mean = shares[k] / static_cast<double>(views);
    probabilities[static_cast<size_t>(k)] = static_cast<float>(mean);
    // What has underflowed is as improbable as fp32 can say. A target of 0 asks for no logarithm; NaN goes through.
    if (target > 0) sums.loss -= target * std::log(std::max(mean, kLeastProbability));
  }
  const auto called = std::max_element(shares, shares + kExpressionCount) - shares;
  ++sums.confusion[static_cast<size_t>(label * kExpressionCount + called)];
  return prediction_of(label, static_cast<int>(called), probabilities.data());
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

Evaluation evaluation_of(const EvaluationSums& of_others, const EvaluationSums& of_copies, int64_t images,
                         int64_t copies) {
  EvaluationSums all = of_others;
  add(all, of_copies);
  Evaluation evaluation = evaluation_of(all, images);
  evaluation.without_copies = score_of(of_others, images - copies);
  return evaluation;
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

// The ranks' shares of a split's rows, which follow each other by rank.
std::vector<ImagePrediction> of_all_ranks(const std::vector<ImagePrediction>& mine, Communicator& communicator) {
  static_assert(std::is_trivially_copyable_v<ImagePrediction>);
  const std::string_view bytes(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(ImagePrediction));
  std::vector<ImagePrediction> all;
  for (const std::string& share : communicator.all_gather(bytes)) {
    const size_t before = all.size();
    all.resize(before + share.size() / sizeof(ImagePrediction));
    std::memcpy(all.data() + before, share.data(), share.size());
  }
  return all;
}

// `predictions`: of this rank's share of the rows, or none.
Evaluation evaluate_image_itself(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator,
                                 std::span<ImagePrediction> predictions) {
  const int64_t images = dataset.split(split).size();
  const PositionRange mine = rank_share({0, images}, communicator.rank(), communicator.size());
  if (split == Split::kTrain)
    return evaluation_of(over_all_ranks(step.evaluate_each(dataset, split, mine, predictions), communicator), images);
  const std::vector<int32_t>& copies = dataset.copies(split);
  std::vector<Run> runs = runs_of(mine, copies);
  runs.resize(most_runs(images, copies, communicator.size()), {.rows = {mine.end, mine.end}});
  EvaluationSums of_copies;
  EvaluationSums of_others;
  for (const Run& run : runs) {
    const auto begin = static_cast<size_t>(run.rows.begin - mine.begin);
    const auto said =
        predictions.empty() ? predictions : predictions.subspan(begin, static_cast<size_t>(run.rows.size()));
    add(run.copies ? of_copies : of_others, step.evaluate_each(dataset, split, run.rows, said));
  }
  of_copies = over_all_ranks(of_copies, communicator);
  of_others = over_all_ranks(of_others, communicator);
  return evaluation_of(of_others, of_copies, images, static_cast<int64_t>(copies.size()));
}

}  // namespace

EvaluationSums evaluate_rows(Model& model, const SplitView& split, PositionRange rows, double label_smoothing,
                             std::span<ImagePrediction> predictions) {
  const at::NoGradGuard no_grad;
  EvaluationSums sums;
  for (int64_t begin = rows.begin; begin < rows.end; begin += kImagesAtOnce) {
    const PositionRange batch{begin, std::min(begin + kImagesAtOnce, rows.end)};
    const auto first = static_cast<size_t>(begin - rows.begin);
    add_batch(model, split, batch, label_smoothing, sums,
              predictions.empty() ? predictions : predictions.subspan(first, static_cast<size_t>(batch.size())));
  }
  return sums;
}

std::vector<float> probabilities_of_rows(Model& model, const SplitView& split, PositionRange rows,
                                         const ImageView& view) {
  const at::NoGradGuard no_grad;
  std::vector<float> all;
  for (int64_t begin = rows.begin; begin < rows.end; begin += kImagesAtOnce) {
    const int64_t count = std::min(kImagesAtOnce, rows.end - begin);
    const at::Tensor images = input_images(count, [&](int64_t i, float* pixels) {
      write_view(view, model.network().input, split.images.data() + (begin + i) * kImagePixels, pixels);
    });
    const at::Tensor shares = at::softmax(model.forward(images, {}), 1).contiguous();
    all.insert(all.end(), shares.const_data_ptr<float>(), shares.const_data_ptr<float>() + shares.numel());
  }
  return all;
}

Evaluation evaluate(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator) {
  const int64_t images = dataset.split(split).size();
  const PositionRange mine = rank_share({0, images}, communicator.rank(), communicator.size());
  return evaluation_of(over_all_ranks(step.evaluate(dataset, split, mine), communicator), images);
}

Evaluation evaluate_copies_apart(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator) {
  return evaluate_image_itself(step, dataset, split, communicator, {});
}

std::vector<double> summed_probabilities(TrainingStep& step, const Dataset& dataset, Split split, PositionRange rows,
                                         const std::vector<ImageView>& views) {
  std::vector<double> sums(static_cast<size_t>(rows.size() * kExpressionCount));
  for (const ImageView& view : views) {
    const std::vector<float> of_view = step.probabilities(dataset, split, rows, view);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(of_view[i]);
  }
  return sums;
}

EvaluatedImages evaluate_images(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator,
                                const Config& config) {
  const std::vector<ImageView> views = image_views(config.test_time_augmentation);
  const SplitView& view_of_split = dataset.split(split);
  const PositionRange mine = rank_share({0, view_of_split.size()}, communicator.rank(), communicator.size());
  std::vector<ImagePrediction> predictions(static_cast<size_t>(mine.size()));
  if (views.size() == 1) {
    const Evaluation evaluation = evaluate_image_itself(step, dataset, split, communicator, predictions);
    return {evaluation, of_all_ranks(predictions, communicator)};
  }
  const std::vector<double> shares = summed_probabilities(step, dataset, split, mine, views);
  const std::vector<int32_t> copies = split == Split::kTrain ? std::vector<int32_t>() : dataset.copies(split);
  EvaluationSums of_copies;
  EvaluationSums of_others;
  for (int64_t row = mine.begin; row < mine.end; ++row)
    predictions[static_cast<size_t>(row - mine.begin)] =
        add_image(shares.data() + (row - mine.begin) * kExpressionCount, views.size(),
                  view_of_split.labels[static_cast<size_t>(row)], config.label_smoothing,
                  std::binary_search(copies.begin(), copies.end(), row) ? of_copies : of_others);
  of_copies = over_all_ranks(of_copies, communicator);
  of_others = over_all_ranks(of_others, communicator);
  std::vector<ImagePrediction> all = of_all_ranks(predictions, communicator);
  if (split == Split::kTrain) return {evaluation_of(of_others, view_of_split.size()), std::move(all)};
  return {evaluation_of(of_others, of_copies, view_of_split.size(), static_cast<int64_t>(copies.size())),
          std::move(all)};
}

Evaluation evaluate_views(TrainingStep& step, const Dataset& dataset, Split split, Communicator& communicator,
                          const Config& config) {
  return evaluate_images(step, dataset, split, communicator, config).evaluation;
}

}  // namespace fer_ddp
