#include "step/fused/fused_step.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "network/engine_plan.h"
#include "step/fused/stages/staged_network.h"

namespace fer_ddp {

using namespace fused_layout;

namespace {

// The share of the seed CNN's one dropout layer.
double dropout_of(const Network& network) {
  double share = 0;
  for_each_layer(network.layers, [&](const Layer& layer) {
    if (const auto* dropout = std::get_if<layer::Dropout>(&layer.kind)) share = dropout->share;
  });
  return share;
}

bool has_changed_images(const Config& config) { return has_image_recipe(config) || !config.distill_from.empty(); }

FusedOptions options_of(const Network& network, const Config& config, const Communicator& communicator) {
  return {.dropout = dropout_of(network),
          .label_smoothing = config.label_smoothing,
          .most_images = (int64_t{config.batch_size} + communicator.size() - 1) / communicator.size(),
          .rank = communicator.rank(),
          .world_size = communicator.size(),
          .changes_images = has_changed_images(config)};
}

FusedNetwork::Running running_of(const Model& model) {
  const auto values = [&](size_t buffer) {
    const at::Tensor& value = model.buffers()[buffer].value;
    return std::span<float>(value.data_ptr<float>(), static_cast<size_t>(value.numel()));
  };
  return {values(0), values(1), values(2), values(3)};
}

}  // namespace

std::string FusedStep::refusal(const Config& config, const Network& network) {
  if (std::string refusal = fused_plan(network).refusal; !refusal.empty()) return refusal;
  return precision_refusal(config.precision);
}

FusedStep::FusedStep(Model& model, Optimizer& optimizer, Communicator& communicator, const Config& config)
    : model_(model),
      statistics_are_global_(config.batch_norm == BatchNormScope::kGlobal),
      layout_(model.store()),
      weights_(layout_, model, optimizer, communicator, config, kSecondPart.size()),
      label_smoothing_(config.label_smoothing),
      changes_images_(has_changed_images(config)),
      network_(options_of(model.network(), config, communicator), reducer().shared(), reducer().own(),
               running_of(model)) {}

BatchSums FusedStep::run(const BatchShare& share, double learning_rate) {
  load();
  network_.clock().start();
  const auto rows = static_cast<int64_t>(share.rows.size());
  const at::Tensor kept = model_.draw_kept_units(share.epoch, share.first_position, rows);
  network_.clock().lap(kDrawDropout);
  const ShareImages changed(share, model_.network().input, label_smoothing_);
  if (changed.has_softened_part()) throw machine_error("the study's own kernels know no temperature");
  const FusedBatch batch{.images = share.images,
                         .labels = share.labels,
                         .rows = share.rows,
                         .global_images = share.global_images,
                         .begin = share.first_position - share.batch_position,
                         .kept = kept.defined()
                                     ? std::span(kept.const_data_ptr<uint8_t>(), static_cast<size_t>(kept.numel()))
                                     : std::span<const uint8_t>(),
                         .changed = changes_images_ ? &changed : nullptr};
  const int64_t images = statistics_are_global_ ? share.global_images : rows;
  const std::span<double> first_sums = network_.first_block(batch);
  sum(first_sums);
  const std::span<double> second_sums = network_.second_block(first_sums, images);
  sum(second_sums);
  const FusedResult result = network_.dense_layers(second_sums, images);
  backward(images);
  weights_.update(learning_rate, network_.clock(), {kSumOverRanks, kUpdateWeights});
  return {.loss = result.loss, .correct = result.correct, .images = rows};
}

// Statistics of the global batch, or of this rank's share where they are its own.
void FusedStep::sum(std::span<double> sums) {
  if (statistics_are_global_) reducer().all_reduce(sums);
  network_.clock().lap(kSumOverRanks);
}

void FusedStep::backward(int64_t images) {
  reducer().start_sum(kDensePart);
  sum(network_.dense_sums());
  network_.second_block_gradient(network_.dense_sums(), images);
  // What follows from global statistics is linear in the sum over the ranks, and the same everywhere when that is taken
  // first; with statistics of its own, each rank's part must be finished before it is summed.
  if (statistics_are_global_) reducer().all_reduce(kSecondPart);
  network_.clock().lap(kSumOverRanks);
  network_.finish_second_gradient(images);
  if (!statistics_are_global_) {
    reducer().start_sum(kSecondPart);
    reducer().start_sum(kNormalizationPart);
  }
  network_.first_block_gradient();
  reducer().start_sum(kFirstPart);
}

BatchSums FusedStep::synchronize() {
  weights_.store();
  return {};
}

void FusedStep::load() {
  if (weights_.load()) network_.reload_running();
}

EvaluationSums FusedStep::evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                        std::span<ImagePrediction> predictions) {
  load();
  const SplitView& view = dataset.split(split);
  EvaluationSums sums;
  std::vector<float> probabilities(predictions.size() * kExpressionCount);
  network_.evaluate(
      view.images, view.labels, rows.begin, rows.end,
      [&](int64_t image, const ImageResult& result) {
        sums.loss += result.loss;
        const int label = view.labels[static_cast<size_t>(image)];
        ++sums.confusion[static_cast<size_t>(int64_t{label} * kExpressionCount + result.called)];
        if (predictions.empty()) return;
        const auto row = static_cast<size_t>(image - rows.begin);
        predictions[row] = prediction_of(label, result.called, probabilities.data() + row * kExpressionCount);
      },
      probabilities.empty() ? nullptr : probabilities.data());
  return sums;
}

std::vector<float> FusedStep::probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                            const ImageView& view) {
  load();
  std::vector<float> all(static_cast<size_t>(rows.size() * kExpressionCount));
  network_.predict(dataset.split(split).images, rows.begin, rows.end, view, all.data());
  return all;
}

}  // namespace fer_ddp
