// The training step by stages: any table that network/stage_plan.h matches, on the CPU, in fp32 or with bf16 operands.
// As FusedStep in all that its users see: the same numbers as AutogradStep within rounding, the same bits at any number
// of threads and at 1, 2, 4 and 8 ranks of a host, one copy of the weights a host.
#pragma once

#include <vector>

#include "comm/communicator.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "step/fused/shared_weights.h"
#include "step/fused/stages/staged_network.h"
#include "step/training_step.h"

namespace fer_ddp {

class StagedStep final : public TrainingStep {
 public:
  // All three outlive the step. The model's network must match stages.
  StagedStep(Model& model, Optimizer& optimizer, Communicator& communicator, const Config& config);

  void begin_epoch(int, std::span<const int32_t>) override {}
  BatchSums run(const BatchShare& share, double learning_rate) override;
  BatchSums synchronize() override;
  void reload() override { weights_.forget(); }
  [[nodiscard]] std::vector<PassTime> pass_times() const override { return network_.pass_times(); }
  [[nodiscard]] const StagePlan& plan() const { return plan_; }
  [[nodiscard]] const StagedNetwork& network() const { return network_; }
  [[nodiscard]] EvaluationSums evaluate_each(const Dataset& dataset, Split split, PositionRange rows,
                                             std::span<ImagePrediction> predictions) override;
  [[nodiscard]] std::vector<float> probabilities(const Dataset& dataset, Split split, PositionRange rows,
                                                 const ImageView& view) override;

 private:
  void load();
  void start_sum(FlatRange range);

  Model& model_;
  double label_smoothing_;
  bool statistics_are_global_;
  StagePlan plan_;
  StagedLayout layout_;
  SharedWeights weights_;
  StagedNetwork network_;
};

}  // namespace fer_ddp
