// The client side of `status` and `stop`: which live run the command line means (--run RUN, an ADDRESS, or, with
// neither, the only live run under ./runs), and the way to its status service. Rank 0 alone.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "core/error.h"
#include "launcher/service_options.h"
#include "status/client.h"

namespace fer_ddp {

struct RunChoice {
  std::string run{};      // a run's folder
  std::string address{};  // HOST:PORT
  ServiceOptions service{};
};

// Adds [ADDRESS], --run, and the options of add_service_options.
void add_run_choice_options(CLI::App& command, RunChoice& choice);

// The run is over, or was killed: what is not is unclear to whoever asks, and is another error.
class RunNotLive : public Error {
 public:
  using Error::Error;
};

struct AskedRun {
  std::string name;  // for messages
  StatusClient& client;
};

// Finds the run and calls `ask` with it. Throws Error: the user's fault where it is not clear which run is meant; the
// machine's (exit 1), in one line, where it does not answer, and RunNotLive where it is over, even if it ends
// meanwhile.
void ask_run(const RunChoice& choice, const std::function<void(const AskedRun&)>& ask);

}  // namespace fer_ddp
