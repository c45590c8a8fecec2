// The evaluation of a finished run's weights on a split of its data, or of other data. Every rank takes part.
#pragma once

#include <filesystem>
#include <string>

#include "launcher/command.h"

namespace fer_ddp {

// How the command line asks for it.
struct EvaluationRequest {
  std::filesystem::path run;  // the run's folder
  std::string data;           // shards other than the run's own; none if empty
  std::string split = "test";
  std::string device;  // where to compute; the run's own if empty
  bool json = false;   // print one JSON object
};

// Collective. Prints loss, accuracy, per-class scores and confusion matrix; returns the exit code. Throws AgreedError,
// or Error for what met one rank alone.
int evaluate_run(const EvaluationRequest& request, Session& session);

}  // namespace fer_ddp
