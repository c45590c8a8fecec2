#include "step/fused/stages/staged_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "data/affine_sample.h"

namespace fer_ddp {

namespace {

constexpr int64_t kFewestEvaluated = 128;  // images at once, for the threads to have enough

StagedNetwork::Options options_of(const Config& config, const Communicator& communicator) {
  const int64_t share = (int64_t{config.batch_size} + communicator.size() - 1) / communicator.size();
  return {.most_images = std::max(share, std::min<int64_t>(config.batch_size, kFewestEvaluated)),
          .rank = communicator.rank(),
          .world_size = communicator.size(),
          .precision = config.precision};
}

}  // namespace

StagedStep::StagedStep(Model& model, Optimizer& optimizer, Communicator& communicator, const Config& config)
    : model_(model),
      label_smoothing_(config.label_smoothing),
      statistics_are_global_(config.batch_norm == BatchNormScope::kGlobal),
      plan_(plan_stages(model.network())),
      layout_(plan_, model.store()),
      weights_(layout_, model, optimizer, communicator, config, 0),
      network_(options_of(config, communicator), plan_, layout_, model, weights_.reducer().shared(),
               weights_.reducer().own(),
               {.statistics =
                    [this](std::span<double> sums) {
                      if (statistics_are_global_) weights_.reducer().all_reduce(sums);
                    },
                .gradients_are_there = [this](FlatRange range) { start_sum(range); }}) {}

// What follows from global statistics is every rank's already.
void StagedStep::start_sum(FlatRange range) {
  const bool is_summed = statistics_are_global_ && range.begin == layout_.channel_range().begin;
  if (range.size() > 0 && !is_summed) weights_.reducer().start_sum(range);
}

BatchSums StagedStep::run(const BatchShare& share, double learning_rate) {
  load();
  PassClock& clock = network_.clock();
  clock.start();
  const auto rows = static_cast<int64_t>(share.rows.size());
  const at::Tensor kept = model_.draw_kept_units(share.epoch, share.first_position, rows);
  clock.lap(network_.pass(StagedNetwork::kDrawDropout));
  const ShareImages images(share, model_.network().input, label_smoothing_);
  const HeadResult result = network_.step(
      {.share = images,
       .global_images = share.global_images,
       .begin = share.first_position - share.batch_position,
       .statistics_images = statistics_are_global_ ? share.global_images : rows,
       .kept = kept.defined() ? std::span(kept.const_data_ptr<uint8_t>(), static_cast<size_t>(kept.numel()))
                              : std::span<const uint8_t>()});
  weights_.update(learning_rate, clock,
                  {network_.pass(StagedNetwork::kSumOverRanks), network_.pass(StagedNetwork::kUpdateWeights)});
  return {.loss = result.loss, .correct = result.correct, .images = rows};
}

BatchSums StagedStep::synchronize() {
  weights_.store();
  return {};
}

void StagedStep::load() {
  if (weights_.load()) network_.reload();
}

EvaluationSums StagedStep::evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                         std::span<ImagePrediction> predictions) {
  load();
  const SplitView& view = dataset.split(split);
  EvaluationSums sums;
  const auto write_image = [&](int64_t image, float* pixels) {
    scale_image(model_.network().input, view.images.data() + image * kImagePixels, pixels);
  };
  network_.evaluate(rows.begin, rows.end, write_image, [&](int64_t image, const float* logits) {
    const int label = view.labels[static_cast<size_t>(image)];
    sums.loss += smoothed_cross_entropy(logits, label, label_smoothing_);
    const auto called = std::max_element(logits, logits + kExpressionCount) - logits;
    ++sums.confusion[static_cast<size_t>(int64_t{label} * kExpressionCount + called)];
    if (predictions.empty()) return;
    std::array<float, kExpressionCount> probabilities{};
    write_probabilities(logits, probabilities.data());
    predictions[static_cast<size_t>(image - rows.begin)] =
        prediction_of(label, static_cast<int>(called), probabilities.data());
  });
  return sums;
}

std::vector<float> StagedStep::probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                             const ImageView& view) {
  load();
  const SplitView& images = dataset.split(split);
  std::vector<float> all(static_cast<size_t>(rows.size() * kExpressionCount));
  const auto write_image = [&](int64_t image, float* pixels) {
    write_view(view, model_.network().input, images.images.data() + image * kImagePixels, pixels);
  };
  network_.evaluate(rows.begin, rows.end, write_image, [&](int64_t image, const float* logits) {
    write_probabilities(logits, all.data() + (image - rows.begin) * kExpressionCount);
  });
  return all;
}

}  // namespace fer_ddp
