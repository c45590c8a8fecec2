// A range test of a configuration's learning rate: data, network, device as a run has them, and what is said, drawn and
// printed of its curve. Every rank takes part. Nothing is written but the picture that is asked for.
#pragma once

#include <filesystem>

#include "core/config.h"
#include "launcher/command.h"

namespace fer_ddp {

// How the command line asks for it.
struct LrFindRequest {
  int steps = 400;
  double from = 1e-5;
  double to = 1;
  int restarts = 3;
  bool json = false;             // print one JSON object
  std::filesystem::path output;  // the picture; none if empty
};

// Collective. Returns the exit code. Throws AgreedError, or Error for what met one rank alone.
int find_learning_rate(const Config& config, const LrFindRequest& request, Session& session);

}  // namespace fer_ddp
