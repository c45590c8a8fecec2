#include "launcher/sweep_client.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/run_layout.h"
#include "launcher/sweep_folder.h"
#include "status/status_text.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

// What the folder says.
struct Progress {
  SweepStanding standing;
  int over = 0;
  int diverged = 0;
  int failed = 0;
};

Progress progress_of(const Sweep& sweep) {
  SweepFolder folder(sweep, "");
  Progress progress{.standing = folder.look(false)};
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    const RunOutcome outcome = folder.outcome(i);
    if (outcome.is_over(sweep.config_of(i, progress.standing.rung).epochs)) ++progress.over;
    if (outcome.failure)
      ++progress.failed;
    else if (outcome.diverged())
      ++progress.diverged;
  }
  return progress;
}

// Where the sweep's folder lies now, which may have been moved.
Sweep sweep_at(const std::string& folder) {
  Sweep sweep = read_sweep(folder);
  sweep.output = folder;
  return sweep;
}

std::string progress_line(const Sweep& sweep, const Progress& progress, size_t live) {
  std::string line = fmt::format("{}: {} runs", sweep.name, sweep.runs.size());
  if (sweep.halving) line += fmt::format(", rung {} of {}", progress.standing.rung + 1, sweep.rungs());
  line += fmt::format(", {} to train, {} live", progress.standing.open.size(), live);
  if (progress.diverged > 0) line += fmt::format(", {} diverged", progress.diverged);
  if (progress.failed > 0) line += fmt::format(", {} had a configuration error", progress.failed);
  return line + "\n";
}

}  // namespace

bool means_sweep(const RunChoice& choice) { return !choice.run.empty() && holds_sweep(choice.run); }

size_t ask_sweep(const RunChoice& choice, const std::function<void(const AskedRun&)>& ask) {
  const Sweep sweep = sweep_at(choice.run);
  const SweepFolder folder(sweep, "");
  size_t live = 0;
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    if (!fs::exists(folder.run(i) / run_file::kStatus)) continue;
    try {
      ask_run({.run = folder.run(i).string(), .service = choice.service}, [&](const AskedRun& run) {
        ask(run);
        ++live;
      });
    } catch (const Error& problem) {  // it has ended, or was killed
      if (problem.fault() == Fault::kUser) throw;
    }
  }
  return live;
}

std::string sweep_status(const RunChoice& choice, bool json) {
  const Sweep sweep = sweep_at(choice.run);
  const Progress progress = progress_of(sweep);
  if (progress.standing.done)
    throw machine_error(
        fmt::format("sweep {} is over: see {}", sweep.name, (fs::path(choice.run) / run_file::kReport).string()));
  std::string lines;
  ordered_json runs = ordered_json::array();
  const size_t live = ask_sweep(choice, [&](const AskedRun& run) {
    const StatusClient::Answer answer = run.client.status();
    lines += status_line(answer.snapshot) + "\n";
    runs.push_back(parse_json(answer.json));
  });
  if (!json) return progress_line(sweep, progress, live) + lines;
  return json_text(ordered_json{{"sweep", sweep.name},
                                {"runs", sweep.runs.size()},
                                {"rung", progress.standing.rung},
                                {"rungs", sweep.rungs()},
                                {"to_train", progress.standing.open.size()},
                                {"over", progress.over},
                                {"diverged", progress.diverged},
                                {"failed", progress.failed},
                                {"live", std::move(runs)}}) +
         "\n";
}

}  // namespace fer_ddp
