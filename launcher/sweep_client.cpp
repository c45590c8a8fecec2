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
  int diverged = 0;
  int failed = 0;
};

Progress progress_of(const Sweep& sweep) {
  SweepFolder folder(sweep, "");
  Progress progress{.standing = folder.look(false)};
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    const RunOutcome outcome = folder.outcome(i);
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

std::string over_words(const Sweep& sweep) {
  return fmt::format("sweep {} is over: see {}", sweep.name, (fs::path(sweep.output) / run_file::kReport).string());
}

}  // namespace

bool means_sweep(const RunChoice& choice) { return !choice.run.empty() && holds_sweep(choice.run); }

SweepAnswers ask_sweep(const RunChoice& choice, const std::function<void(const AskedRun&)>& ask) {
  const Sweep sweep = sweep_at(choice.run);
  const SweepFolder folder(sweep, "");
  SweepAnswers answers;
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    if (!fs::exists(folder.run(i) / run_file::kStatus)) continue;
    try {
      ask_run({.run = folder.run(i).string(), .service = choice.service}, [&](const AskedRun& run) {
        ask(run);
        ++answers.live;
      });
    } catch (const Error& problem) {  // it has ended, or was killed
      if (problem.fault() == Fault::kUser) answers.not_reached.emplace_back(problem.what());
    }
  }
  return answers;
}

void stop_sweep(const RunChoice& choice, RunLog& log) {
  const Sweep sweep = sweep_at(choice.run);
  SweepFolder folder(sweep, "");
  if (folder.look(false).done) throw machine_error(over_words(sweep));
  folder.ask_all_to_stop();
  const SweepAnswers answers = ask_sweep(choice, [&](const AskedRun& run) {
    run.client.request_stop();
    log.info("stop", fmt::format("run {} was asked to write a checkpoint and stop", run.name));
  });
  for (const std::string& problem : answers.not_reached) log.info("not_asked", problem);
  if (answers.live == 0 || !answers.not_reached.empty())
    log.info("stop", fmt::format("{}{}: whoever trains the sweep now finds in its folder that it is to stop",
                                 answers.live == 0 ? "no run of the sweep answered; " : "", choice.run));
}

SweepStatus sweep_status(const RunChoice& choice, bool json) {
  const Sweep sweep = sweep_at(choice.run);
  const Progress progress = progress_of(sweep);
  if (progress.standing.done) return {.over = over_words(sweep)};
  std::string lines;
  ordered_json runs = ordered_json::array();
  const SweepAnswers answers = ask_sweep(choice, [&](const AskedRun& run) {
    const StatusClient::Answer answer = run.client.status();
    lines += status_line(answer.snapshot) + "\n";
    runs.push_back(parse_json(answer.json));
  });
  if (!json) {
    for (const std::string& problem : answers.not_reached) lines += "not reached: " + problem + "\n";
    return {.text = progress_line(sweep, progress, answers.live) + lines, .live = answers.live};
  }
  const ordered_json document = {{"sweep", sweep.name},
                                 {"runs", sweep.runs.size()},
                                 {"rung", progress.standing.rung},
                                 {"rungs", sweep.rungs()},
                                 {"to_train", progress.standing.open.size()},
                                 {"over", sweep.runs.size() - progress.standing.open.size()},
                                 {"diverged", progress.diverged},
                                 {"failed", progress.failed},
                                 {"live", std::move(runs)},
                                 {"not_reached", answers.not_reached}};
  return {.text = json_text(document) + "\n", .live = answers.live};
}

}  // namespace fer_ddp
