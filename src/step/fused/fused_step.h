// The training step by hand-planned kernels (step/fused/fused_network.h): the seed CNN, fp32, on the CPU. The same
// numbers as AutogradStep within rounding, several times as fast, and the same bits at any number of threads and at 1,
// 2, 4 and 8 ranks of a host. Weights are one copy a host, in the kernels' own layout, and each rank adds up and
// updates its share of them (comm/hierarchical_reducer.h); synchronize() brings weights and optimizer back to where
// checkpoints look for them.
#pragma once

#include <vector>

#include "comm/communicator.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "step/fused/fused_network.h"
#include "step/fused/shared_weights.h"
#include "step/training_step.h"

namespace fer_ddp {

class FusedStep final : public TrainingStep {
 public:
  // All three outlive the step. Throws Error (our mistake) where the model is another.
  FusedStep(Model& model, Optimizer& optimizer, Communicator& communicator, const Config& config);

  // Why the step cannot run this network and configuration, or an empty text.
  [[nodiscard]] static std::string refusal(const Config& config, const Network& network);

  void begin_epoch(int, std::span<const int32_t>) override {}
  BatchSums run(const BatchShare& share, double learning_rate) override;
  BatchSums synchronize() override;
  void reload() override { weights_.forget(); }
  [[nodiscard]] std::vector<PassTime> pass_times() const override { return network_.pass_times(); }
  [[nodiscard]] EvaluationSums evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                             std::span<ImagePrediction> predictions) override;
  [[nodiscard]] std::vector<float> probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                                 const ImageView& view) override;

 private:
  void load();
  void sum(std::span<double> sums);
  void backward(int64_t images);

  [[nodiscard]] HierarchicalReducer& reducer() { return weights_.reducer(); }

  Model& model_;
  bool statistics_are_global_;
  FusedLayout layout_;
  SharedWeights weights_;
  double label_smoothing_;
  bool changes_images_;
  FusedNetwork network_;
};

}  // namespace fer_ddp
