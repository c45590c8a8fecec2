// The client side of a sweep: each of its live runs has a status service of its own, and the folder says the rest. Rank
// 0 alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/run_log.h"
#include "launcher/run_client.h"

namespace fer_ddp {

// Is it a sweep's folder that the command line names by --run?
[[nodiscard]] bool means_sweep(const RunChoice& choice);

// Asks all that train the sweep now to stop, each run by its service, and by the folder those between two runs or out
// of reach. Throws Error (the machine's fault), in one line, where the sweep is over.
void stop_sweep(const RunChoice& choice, RunLog& log);

struct SweepStatus {
  std::string text{};     // a line on the sweep and one for each live run
  std::string json{};     // the same as one JSON object, on one line
  bool is_alive = false;  // a run answers, or somebody holds one
  bool is_over = false;   // and its report is there
  bool is_stopped = false;

  [[nodiscard]] bool has_ended() const { return is_over || is_stopped; }
};

// Looks at a sweep as often as it is asked; what is over is read once. One thread.
class SweepLook {
 public:
  explicit SweepLook(const RunChoice& choice);
  SweepLook(const SweepLook&) = delete;
  SweepLook& operator=(const SweepLook&) = delete;
  ~SweepLook();

  // Asks all runs that live. One that is silent takes 5 s.
  [[nodiscard]] SweepStatus status();

  // "sweep NAME is over: see FOLDER/report.html".
  [[nodiscard]] std::string over_words() const;
  [[nodiscard]] const std::string& name() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fer_ddp
