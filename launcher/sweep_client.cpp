#include "launcher/sweep_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/run_layout.h"
#include "core/run_lease.h"
#include "core/text.h"
#include "launcher/sweep_folder.h"
#include "status/status_text.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

// Where the sweep's folder lies now, which may have been moved.
Sweep sweep_at(const std::string& folder) {
  Sweep sweep = read_sweep(folder);
  sweep.output = folder;
  return sweep;
}

std::string over_words(const Sweep& sweep) {
  return fmt::format("sweep {} is over: see {}", sweep.name, (fs::path(sweep.output) / run_file::kReport).string());
}

struct SweepAnswers {
  size_t live = 0;                         // runs that answered
  std::vector<std::string> not_reached{};  // of others that live, why they cannot be asked from here
};

// Calls `ask` with each run of the sweep that answers.
SweepAnswers ask_runs(const SweepFolder& folder, size_t runs, const ServiceOptions& service,
                      const std::function<void(const AskedRun&)>& ask) {
  SweepAnswers answers;
  for (size_t i = 0; i < runs; ++i) {
    if (!fs::exists(folder.run(i) / run_file::kStatus)) continue;
    try {
      ask_run({.run = folder.run(i).string(), .service = service}, [&](const AskedRun& run) {
        ask(run);
        ++answers.live;
      });
    } catch (const RunNotLive&) {  // it has ended, or was killed
    } catch (const Error& problem) {
      answers.not_reached.push_back(printable_text(problem.what()));
    }
  }
  return answers;
}

}  // namespace

bool means_sweep(const RunChoice& choice) { return !choice.run.empty() && holds_sweep(choice.run); }

void stop_sweep(const RunChoice& choice, RunLog& log) {
  const Sweep sweep = sweep_at(choice.run);
  SweepFolder folder(sweep, "");
  if (folder.look(false).done) throw machine_error(over_words(sweep));
  folder.ask_all_to_stop();
  const SweepAnswers answers = ask_runs(folder, sweep.runs.size(), choice.service, [&](const AskedRun& run) {
    run.client.request_stop();
    log.info("stop", fmt::format("run {} was asked to write a checkpoint and stop", run.name));
  });
  for (const std::string& problem : answers.not_reached) log.info("not_asked", problem);
  if (answers.live == 0 || !answers.not_reached.empty())
    log.info("stop", fmt::format("{}{}: whoever trains the sweep now finds in its folder that it is to stop",
                                 answers.live == 0 ? "no run of the sweep answered; " : "", choice.run));
}

struct SweepLook::Parts {
  explicit Parts(RunChoice its_choice)
      : choice(std::move(its_choice)),
        written(sweep_written(choice.run)),
        sweep(sweep_at(choice.run)),
        folder(sweep, ""),
        over(sweep.runs.size()) {}

  // Outcomes of runs that are over, as they come to be.
  void read_outcomes(const SweepStanding& standing) {
    for (const size_t run : standing.open) over[run].reset();
    for (size_t i = 0; i < over.size(); ++i)
      if (!over[i] && !std::binary_search(standing.open.begin(), standing.open.end(), i)) over[i] = folder.outcome(i);
  }

  [[nodiscard]] int64_t count(bool (*is_one)(const RunOutcome&)) const {
    return std::count_if(over.begin(), over.end(), [&](const auto& outcome) { return outcome && is_one(*outcome); });
  }
  [[nodiscard]] int64_t failed() const {
    return count([](const RunOutcome& outcome) { return outcome.failure.has_value(); });
  }
  [[nodiscard]] int64_t diverged() const {
    return count([](const RunOutcome& outcome) { return !outcome.failure && outcome.diverged(); });
  }

  [[nodiscard]] bool is_held(const SweepStanding& standing) {
    return watch.look(sweep.output).held || std::any_of(standing.open.begin(), standing.open.end(),
                                                        [&](size_t run) { return watch.look(folder.run(run)).held; });
  }

  [[nodiscard]] std::string progress_line(const SweepStanding& standing, size_t live) const {
    std::string line = fmt::format("{}: {} runs", sweep.name, sweep.runs.size());
    if (sweep.halving) line += fmt::format(", rung {} of {}", standing.rung + 1, sweep.rungs());
    line += fmt::format(", {} to train, {} live", standing.open.size(), live);
    if (diverged() > 0) line += fmt::format(", {} diverged", diverged());
    if (failed() > 0) line += fmt::format(", {} had a configuration error", failed());
    return line + "\n";
  }

  [[nodiscard]] ordered_json document(const SweepStanding& standing) const {
    return {{"sweep", sweep.name},
            {"runs", sweep.runs.size()},
            {"rung", standing.rung},
            {"rungs", sweep.rungs()},
            {"to_train", standing.open.size()},
            {"over", sweep.runs.size() - standing.open.size()},
            {"diverged", diverged()},
            {"failed", failed()}};
  }

  RunChoice choice;
  fs::file_time_type written;
  Sweep sweep;
  SweepFolder folder;
  std::vector<std::optional<RunOutcome>> over;
  LeaseWatch watch{};
};

SweepLook::SweepLook(const RunChoice& choice) : parts_(std::make_unique<Parts>(choice)) {}

SweepLook::~SweepLook() = default;

std::string SweepLook::over_words() const { return fer_ddp::over_words(parts_->sweep); }

const std::string& SweepLook::name() const { return parts_->sweep.name; }

SweepStatus SweepLook::status() {
  if (sweep_written(parts_->choice.run) != parts_->written)  // more runs were added, say
    parts_ = std::make_unique<Parts>(parts_->choice);
  const SweepStanding standing = parts_->folder.look(false);
  parts_->read_outcomes(standing);
  std::string lines;
  ordered_json runs = ordered_json::array();
  const auto ask = [&](const AskedRun& run) {
    const StatusClient::Answer answer = run.client.status();
    lines += status_line(answer.snapshot) + "\n";
    runs.push_back(parse_json(answer.json));
  };
  const SweepAnswers answers = ask_runs(parts_->folder, parts_->sweep.runs.size(), parts_->choice.service, ask);
  for (const std::string& problem : answers.not_reached) lines += "not reached: " + problem + "\n";
  SweepStatus status;
  status.text = parts_->progress_line(standing, answers.live) + lines;
  ordered_json document = parts_->document(standing);
  document["live"] = std::move(runs);
  document["not_reached"] = answers.not_reached;
  status.json = json_text(document);
  status.is_over = standing.done && fs::exists(fs::path(parts_->sweep.output) / run_file::kReport);
  status.is_alive = answers.live > 0 || parts_->is_held(standing);
  status.is_stopped = !status.is_over && !status.is_alive && parts_->folder.asked_to_stop();
  return status;
}

}  // namespace fer_ddp
