// The client side of a sweep: each of its live runs has a status service of its own, and the folder says the rest. Rank
// 0 alone.
#pragma once

#include <functional>
#include <string>

#include "launcher/run_client.h"

namespace fer_ddp {

// Is it a sweep's folder that the command line names by --run?
[[nodiscard]] bool means_sweep(const RunChoice& choice);

// Calls `ask` with each run of the sweep that answers; returns how many those are.
size_t ask_sweep(const RunChoice& choice, const std::function<void(const AskedRun&)>& ask);

// What status prints: a line on the sweep and one for each live run, or one JSON object. Throws Error (the machine's
// fault), in one line, where the sweep is over.
[[nodiscard]] std::string sweep_status(const RunChoice& choice, bool json);

}  // namespace fer_ddp
