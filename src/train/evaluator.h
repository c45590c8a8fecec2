// Loss and confusion matrix of a model on a split, each rank over its own rows, summed: sums are reduced, averages
// never averaged.
#pragma once

#include "comm/communicator.h"
#include "core/config.h"
#include "core/evaluation.h"
#include "data/dataset.h"
#include "model/model.h"
#include "train/training_step.h"

namespace fer_ddp {

// This rank's rows alone.
[[nodiscard]] EvaluationSums evaluate_rows(Model& model, const SplitView& split, PositionRange rows,
                                           double label_smoothing);

// Collective. Adds up the ranks' sums over a split of `images` images.
[[nodiscard]] Evaluation add_up(EvaluationSums sums, int64_t images, Communicator& communicator);

// Collective. Every rank gets the whole split's evaluation. BatchNorm uses its running statistics, dropout is off.
[[nodiscard]] Evaluation evaluate(Model& model, const SplitView& split, const Config& config,
                                  Communicator& communicator);

}  // namespace fer_ddp
