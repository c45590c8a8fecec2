// The client side of a sweep: each of its live runs has a status service of its own, and the folder says the rest. Rank
// 0 alone.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/run_log.h"
#include "launcher/run_client.h"

namespace fer_ddp {

// Is it a sweep's folder that the command line names by --run?
[[nodiscard]] bool means_sweep(const RunChoice& choice);

struct SweepAnswers {
  size_t live = 0;                         // runs that answered
  std::vector<std::string> not_reached{};  // of others that live, why they cannot be asked from here
};

// Calls `ask` with each run of the sweep that answers.
SweepAnswers ask_sweep(const RunChoice& choice, const std::function<void(const AskedRun&)>& ask);

// Asks all that train the sweep now to stop, each run by its service, and by the folder those between two runs or out
// of reach. Throws Error (the machine's fault), in one line, where the sweep is over.
void stop_sweep(const RunChoice& choice, RunLog& log);

struct SweepStatus {
  std::string text{};  // a line on the sweep and one for each live run, or one JSON object
  size_t live = 0;     // runs that answered
  std::string over{};  // in place of all that: that it is over, and where its report is
};

[[nodiscard]] SweepStatus sweep_status(const RunChoice& choice, bool json);

}  // namespace fer_ddp
