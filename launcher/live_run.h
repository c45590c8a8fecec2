// Which live run a command is about, and the way to its status service: --run RUN, an ADDRESS, or, with neither, the
// only live run under ./runs. Rank 0 alone.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "launcher/service_options.h"
#include "status/client.h"

namespace fer_ddp {

struct LiveRunChoice {
  std::string run{};      // a run's folder
  std::string address{};  // HOST:PORT
  ServiceOptions service{};
};

// Adds [ADDRESS], --run, and the options of add_service_options.
void add_live_run_options(CLI::App& command, LiveRunChoice& choice);

struct LiveRun {
  std::string name;  // for messages
  StatusClient& client;
};

// Finds the run and calls `ask` with it. Throws Error: the user's fault where it is not clear which run is meant; the
// machine's (exit 1), in one line, where the run is over, even if it ends meanwhile.
void ask_live_run(const LiveRunChoice& choice, const std::function<void(const LiveRun&)>& ask);

}  // namespace fer_ddp
