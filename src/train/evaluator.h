// Loss and confusion matrix of a model on a split, each rank over its own rows, summed: sums are reduced, averages
// never averaged.
#pragma once

#include "comm/communicator.h"
#include "core/config.h"
#include "core/evaluation.h"
#include "data/dataset.h"
#include "model/model.h"

namespace fer_ddp {

// Collective. Every rank gets the whole split's evaluation. BatchNorm uses its running statistics, dropout is off.
[[nodiscard]] Evaluation evaluate(Model& model, const SplitView& split, const Config& config,
                                  Communicator& communicator);

}  // namespace fer_ddp
