// A run that has ended, computed with once more: by its own configuration, network and weights, and by the step that it
// trained with, so that the numbers are the run's own.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "core/choices.h"
#include "core/config.h"
#include "data/dataset.h"
#include "launcher/command.h"
#include "network/network.h"
#include "step/training_step.h"

namespace fer_ddp {

// Not collective. Throws Error (the user's fault) where the folder holds no run.
[[nodiscard]] Config config_of_run(const std::filesystem::path& run);

// Not collective. The run's network; `config` starts from its final weights then, on `device` where that is given.
// Throws Error (the user's fault) where there are no weights, or no step can compute with them.
[[nodiscard]] Network network_with_weights(const std::filesystem::path& run, const std::optional<DeviceChoice>& device,
                                           Config& config);

// Collective. Calls `use` with the step and what `data` gives, which is collective too. The step is the one that
// trained the run of this folder.
void compute_as_the_run(const std::filesystem::path& run, const Config& config, const Network& network,
                        const std::function<Dataset()>& data,
                        const std::function<void(TrainingStep&, const Dataset&)>& use, Communicator& communicator);

}  // namespace fer_ddp
