// Which training step a configuration gets: on a GPU the device step; on a CPU the fused one where it knows the model,
// else autograd.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "comm/communicator.h"
#include "core/config.h"
#include "data/dataset.h"
#include "model/model.h"
#include "optim/optimizer.h"
#include "step/device/device_runtime.h"
#include "step/teachers.h"
#include "step/training_step.h"

namespace fer_ddp {

// Throws Error (the user's fault) where the configuration asks for a step that cannot run it.
void refuse_impossible_step(const Config& config, const Network& network);

// Why a CPU's step is autograd's where its precision is to blame; empty where it is not.
[[nodiscard]] std::string precision_fallback(const Config& config);

// Collective over the run's ranks. device: null on the CPU. teachers: null where the step learns from none, as to
// evaluate. choices: TrainingStep::choices() of the run that is computed with once more; none: nothing was chosen yet.
// All but the choices outlives the step.
[[nodiscard]] std::unique_ptr<TrainingStep> make_training_step(const Config& config, Model& model, Optimizer& optimizer,
                                                               const Dataset& dataset, Communicator& communicator,
                                                               DeviceRuntime* device, Teachers* teachers = nullptr,
                                                               const std::optional<std::string>& choices = {});

}  // namespace fer_ddp
