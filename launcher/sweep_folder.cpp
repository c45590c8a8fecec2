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
constexpr const char* kStop = ".stop";  // and .stop-JOB

// What stands there before a sweep's sweep.json does.
bool may_come_first(const std::string& name) {
  return RunLease::is_part(name) || name.starts_with("shards") || name.ends_with(".partial");
}

void write_stop(const fs::path& path) {
  if (!std::ofstream(path)) throw machine_error(fmt::format("{}: cannot be written", path.string()));
}

}  // namespace

bool holds_sweep(const fs::path& folder) { return fs::exists(folder / kSweep); }

Sweep read_sweep(const fs::path& folder) {
  const fs::path path = folder / kSweep;
  if (!fs::exists(path))
    throw user_error(fmt::format("{}: holds no sweep (no {})", folder.string(), kSweep), "Give the folder of a sweep.");
  return sweep_from_json(read_json_file(path), path.string());
}

fs::file_time_type sweep_written(const fs::path& folder) {
  std::error_code none;
  const fs::file_time_type written = fs::last_write_time(folder / kSweep, none);
  return none ? fs::file_time_type::min() : written;
}

SweepFolder::SweepFolder(const Sweep& sweep, std::string job, std::function<void(const std::string&)> say)
    : sweep_(sweep), folder_(sweep.output), job_(std::move(job)), say_(std::move(say)), rungs_(1) {
  rungs_.front().resize(sweep.settings.size());
  std::iota(rungs_.front().begin(), rungs_.front().end(), size_t{0});
}

fs::path SweepFolder::run(size_t index) const { return folder_ / "runs" / sweep_.runs[index].name; }

fs::path SweepFolder::failure(size_t index) const { return folder_ / "failed" / (sweep_.runs[index].name + ".json"); }

fs::path SweepFolder::shards(size_t index) const {
  return folder_ / (index == 0 ? "shards" : fmt::format("shards-{}", index + 1));
}

std::unique_ptr<RunLease> SweepFolder::lease() const {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kPause{50};
  constexpr std::chrono::seconds kUsual{3};
  constexpr std::chrono::seconds kLongest{240};  // the other ranks wait for 300
  const Clock::time_point begin = Clock::now();
  bool said = false;
  for (;;) {
    try {
      return std::make_unique<RunLease>(folder_);
    } catch (const LeaseHeld& held) {
      const Clock::duration waited = Clock::now() - begin;
      if (waited > kLongest)
        throw machine_error(fmt::format("{} (waited for {} s)", held.what(), kLongest.count()),
                            "Where that process trains a sweep and makes shards of its data, start again once they are "
                            "made; where it hangs, end it.");
      if (!said && waited > kUsual && say_) {
        say_(fmt::format("waiting: {}", held.what()));
        said = true;
      }
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

// A file that cannot be understood is that run's trouble.
RunOutcome SweepFolder::outcome(size_t index) const {
  try {
    return read_outcome(run(index), failure(index), sweep_.by);
  } catch (const Error& error) {
    if (error.fault() != Fault::kUser) throw;
    return {.failure = error.what()};
  }
}

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
    std::vector<size_t> survivors = survivors_from_json(read_json_file(decided), sweep_, decided.string());
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
void SweepFolder::ask_to_stop() const { write_stop(folder_ / fmt::format("{}-{}", kStop, job_)); }

void SweepFolder::ask_all_to_stop() const { write_stop(folder_ / kStop); }

bool SweepFolder::asked_to_stop() const {
  std::error_code ignored;
  return fs::exists(folder_ / fmt::format("{}-{}", kStop, job_), ignored) || fs::exists(folder_ / kStop, ignored);
}

void SweepFolder::forget_the_stop() const {
  std::error_code ignored;
  fs::remove(folder_ / fmt::format("{}-{}", kStop, job_), ignored);
}

void SweepFolder::forget_earlier_stops() const {
  std::error_code ignored;
  fs::remove(folder_ / kStop, ignored);
}

void SweepFolder::forget_all_stops() const {
  std::vector<fs::path> stops;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_))
    if (entry.path().filename().string().starts_with(kStop)) stops.push_back(entry.path());
  std::error_code ignored;
  for (const fs::path& stop : stops) fs::remove(stop, ignored);
}

}  // namespace fer_ddp
