// The evaluation of a finished run's weights on a split of its data, or of other data. Every rank takes part.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/choices.h"
#include "launcher/command.h"

namespace fer_ddp {

// How the command line asks for it.
struct EvaluationRequest {
  std::filesystem::path run;  // the run's folder
  std::string data;           // shards other than the run's own; none if empty
  std::string split = "test";
  std::optional<DeviceChoice> device;  // where to compute; none: as the run
  bool json = false;                   // print one JSON object
};

// Collective. Prints loss, accuracy, per-class scores and confusion matrix; returns the exit code. Throws AgreedError,
// or Error for what met one rank alone.
int evaluate_run(const EvaluationRequest& request, Session& session);

}  // namespace fer_ddp
