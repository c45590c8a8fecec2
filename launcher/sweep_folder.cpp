#include "launcher/sweep_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <thread>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/run_layout.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

constexpr const char* kSweep = "sweep.json";

ordered_json read_json(const fs::path& path) {
  try {
    return parse_json(read_file(path, kMostTextBytes));
  } catch (const ordered_json::exception& problem) {
    throw user_error(fmt::format("{}: not JSON: {}", path.string(), problem.what()), "Was the file changed by hand?");
  }
}

// What stands there before a sweep's sweep.json does.
bool may_come_first(const std::string& name) {
  return RunLease::is_part(name) || name.starts_with("shards") || name.ends_with(".partial");
}

}  // namespace

bool holds_sweep(const fs::path& folder) { return fs::exists(folder / kSweep); }

Sweep read_sweep(const fs::path& folder) {
  const fs::path path = folder / kSweep;
  if (!fs::exists(path))
    throw user_error(fmt::format("{}: holds no sweep (no {})", folder.string(), kSweep), "Give the folder of a sweep.");
  return sweep_from_json(read_json(path), path.string());
}

SweepFolder::SweepFolder(const Sweep& sweep, std::string job)
    : sweep_(sweep), folder_(sweep.output), job_(std::move(job)), rungs_(1) {
  rungs_.front().resize(sweep.settings.size());
  std::iota(rungs_.front().begin(), rungs_.front().end(), size_t{0});
}

fs::path SweepFolder::run(size_t index) const { return folder_ / "runs" / sweep_.runs[index].name; }

fs::path SweepFolder::failure(size_t index) const { return folder_ / "failed" / (sweep_.runs[index].name + ".json"); }

fs::path SweepFolder::shards(size_t index) const {
  return folder_ / (index == 0 ? "shards" : fmt::format("shards-{}", index + 1));
}

std::unique_ptr<RunLease> SweepFolder::lease() const {
  constexpr std::chrono::milliseconds kPause{50};
  for (;;) {
    try {
      return std::make_unique<RunLease>(folder_);
    } catch (const LeaseHeld&) {
      std::this_thread::sleep_for(kPause);
    }
  }
}

void SweepFolder::require_own() const {
  if (!fs::exists(folder_)) return;
  if (!fs::is_directory(folder_))
    throw user_error(fmt::format("{}: is a file, expected the sweep's folder", folder_.string()),
                     "Choose another output.");
  if (holds_sweep(folder_)) {
    require_same_sweep(read_sweep(folder_), sweep_);
    return;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (!may_come_first(name))
      throw user_error(fmt::format("{}: is no sweep's folder, and holds {}", folder_.string(), name),
                       "Move that away, or choose another output.");
  }
}

void SweepFolder::write_sweep() const {
  const std::string text = json_text(sweep_to_json(sweep_), 1) + "\n";
  const fs::path path = folder_ / kSweep;
  if (!fs::exists(path) || read_file(path, kMostTextBytes) != text) write_file_atomically(path, text);
}

RunOutcome SweepFolder::outcome(size_t index) const { return read_outcome(run(index), failure(index), sweep_.by); }

bool SweepFolder::is_open(size_t index, size_t rung) {
  if (over_.contains(index)) return false;
  if (!outcome(index).is_over(sweep_.config_of(index, rung).epochs)) return true;
  over_.insert(index);
  return false;
}

SweepStanding SweepFolder::look(bool decides) {
  for (;;) {
    const size_t rung = rungs_.size() - 1;
    SweepStanding standing{.rung = rung};
    for (size_t i = 0; i < sweep_.runs.size(); ++i) {
      const bool takes_part = std::binary_search(rungs_[rung].begin(), rungs_[rung].end(), sweep_.runs[i].setting);
      if (takes_part && is_open(i, rung)) standing.open.push_back(i);
    }
    standing.done = standing.open.empty() && rung + 1 == sweep_.rungs();
    if (standing.done || !standing.open.empty()) return standing;
    const fs::path decided = folder_ / "rungs" / fmt::format("{}.json", rung);
    if (!decides && !fs::exists(decided)) return standing;
    if (!fs::exists(decided)) {
      const std::unique_ptr<RunLease> alone = lease();
      if (!fs::exists(decided)) {
        std::vector<RunOutcome> outcomes;
        for (size_t i = 0; i < sweep_.runs.size(); ++i) outcomes.push_back(outcome(i));
        make_folder(decided.parent_path());
        write_file_atomically(
            decided, json_text(rung_to_json(decide_rung(sweep_, rung, rungs_[rung], outcomes), sweep_, rung), 2) + "\n",
            [&] { alone->require(); });
      }
    }
    std::vector<size_t> survivors = survivors_from_json(read_json(decided), sweep_, decided.string());
    if (survivors.empty()) {
      standing.done = true;
      return standing;
    }
    rungs_.push_back(std::move(survivors));
    over_.clear();
  }
}

SweepComparison SweepFolder::write_results() {
  std::vector<RunOutcome> outcomes;
  for (size_t i = 0; i < sweep_.runs.size(); ++i) outcomes.push_back(outcome(i));
  SweepComparison comparison = compare(sweep_, rungs_, outcomes);
  const std::unique_ptr<RunLease> alone = lease();
  const PublishCheck check = [&] { alone->require(); };
  write_file_atomically(folder_ / "results.csv", results_csv(sweep_, outcomes), check);
  write_file_atomically(folder_ / "results.json", json_text(comparison_to_json(comparison, sweep_, outcomes), 2) + "\n",
                        check);
  write_file_atomically(folder_ / run_file::kReport, comparison_page(comparison, sweep_, outcomes), check);
  return comparison;
}

// Several groups may do so at once.
void SweepFolder::ask_to_stop() const {
  const fs::path path = folder_ / (".stop-" + job_);
  if (!std::ofstream(path)) throw machine_error(fmt::format("{}: cannot be written", path.string()));
}

bool SweepFolder::asked_to_stop() const {
  std::error_code ignored;
  return fs::exists(folder_ / (".stop-" + job_), ignored);
}

void SweepFolder::forget_the_stop() const {
  std::error_code ignored;
  fs::remove(folder_ / (".stop-" + job_), ignored);
}

}  // namespace fer_ddp
