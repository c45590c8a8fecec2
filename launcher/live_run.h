// Which live run a command is about: --run RUN, an ADDRESS, or, with neither, the only run under ./runs that has a status.json.
#pragma once

#include <string>

namespace fer_ddp {

struct LiveRunChoice {
  std::string run;      // a run's folder
  std::string address;  // HOST:PORT
};

struct LiveRun {
  std::string address;
  std::string name;  // for messages
  std::string folder;  // empty where only the address is known
};

// Throws Error: the machine's fault (exit 1), in one line, where the run is over; the user's where it is not clear which run is meant.
[[nodiscard]] LiveRun find_live_run(const LiveRunChoice& choice);

// "run NAME is over: early_stopping after epoch 13; see FOLDER/report.html", from result.json where there is one.
[[nodiscard]] std::string over_text(const std::string& folder);

}  // namespace fer_ddp
