// Which stages of a plan may keep the gradients of their values in the same memory. A gradient lives from the backward
// pass of its stage's last reader to the stage's own. Stages whose gradients never live at once share a slot; those of
// a residual's end, of its branches and, unless the body is one stage, of an identity's source are one and the same.
// Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "network/stage_plan.h"

namespace fer_ddp {

struct GradientMemory {
  std::vector<size_t> slot_of_stage{};
  std::vector<int64_t> slot_sizes{};  // numbers for an image
};
[[nodiscard]] GradientMemory plan_gradient_memory(const StagePlan& plan);

// The plan for an engine whose stages all leave plain values behind a ReLU: without those that only write them out.
[[nodiscard]] StagePlan without_materialized(const StagePlan& plan);

}  // namespace fer_ddp
