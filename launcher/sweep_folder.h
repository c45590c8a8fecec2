// A sweep's folder, through which all that trains it talks: groups of one job, several jobs, an array of Slurm's.
//   SWEEP/sweep.json        the runs, with their whole configurations
//   SWEEP/runs/NAME/        each a run's folder as any other; who holds its lease (core/run_lease.h) trains it
//   SWEEP/failed/NAME.json  the configuration error that ended it
//   SWEEP/rungs/N.json      which settings go on after rung N, written once all of its runs are over
//   SWEEP/shards/           what `data` was turned into, where it is an input file
//   SWEEP/.stop, .stop-JOB  whoever trains here, or that job, is to stop
//   SWEEP/results.csv, results.json, report.html    once all runs are over
// What a folder says of the runs that are over is the same whoever reads it, and what follows from it is decided by
// whoever comes first, under the folder's own lease. One thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/run_lease.h"
#include "core/run_log.h"
#include "sweep/comparison.h"
#include "sweep/halving.h"
#include "sweep/sweep.h"

namespace fer_ddp {

// Does the folder hold a sweep?
[[nodiscard]] bool holds_sweep(const std::filesystem::path& folder);

// Throws Error (the user's fault) where it holds none.
[[nodiscard]] Sweep read_sweep(const std::filesystem::path& folder);

// When sweep.json was written last; the earliest moment where there is none.
[[nodiscard]] std::filesystem::file_time_type sweep_written(const std::filesystem::path& folder);

// Where a sweep stands.
struct SweepStanding {
  bool done = false;
  size_t rung = 0;
  std::vector<size_t> open{};  // the runs of that rung that are not over
};

class SweepFolder {
 public:
  // `job` tells the jobs apart that share the folder. `say` is told what a longer wait is for.
  SweepFolder(const Sweep& sweep, std::string job, std::function<void(const std::string&)> say = {});

  [[nodiscard]] std::filesystem::path run(size_t index) const;
  [[nodiscard]] std::filesystem::path failure(size_t index) const;
  [[nodiscard]] std::filesystem::path shards(size_t index) const;  // of the first data set, the second, ...

  // The folder's lease, once nobody else has it: for no longer than it takes to write down what was decided. Throws
  // Error (the machine's fault), naming the holder, where it is not to be had.
  [[nodiscard]] std::unique_ptr<RunLease> lease() const;

  // Throws Error (the user's fault) where it holds another sweep, or something that is no sweep's.
  void require_own() const;

  // Writes sweep.json where it says something else. Under the lease.
  void write_sweep() const;

  // Decides the rungs whose runs are all over, where nobody has yet; with `decides` false it is only looked.
  [[nodiscard]] SweepStanding look(bool decides = true);

  // Where the run's files cannot be understood, that is what it failed by.
  [[nodiscard]] RunOutcome outcome(size_t index) const;

  // Once look() is done. Writes the results, and returns what they come to.
  SweepComparison write_results();

  // Asks all groups of this job to stop; whether one has asked.
  void ask_to_stop() const;
  [[nodiscard]] bool asked_to_stop() const;
  void forget_the_stop() const;

  // Asks all jobs to stop that train there now. Whoever starts forgets it, under the lease; once the sweep is over
  // nothing of any stop is kept.
  void ask_all_to_stop() const;
  void forget_earlier_stops() const;
  void forget_all_stops() const;

 private:
  [[nodiscard]] bool is_open(size_t index, size_t rung);

  const Sweep& sweep_;
  std::filesystem::path folder_;
  std::string job_;
  std::function<void(const std::string&)> say_;
  std::vector<std::vector<size_t>> rungs_;  // the settings in each that was begun
  std::set<size_t> over_{};                 // runs of the newest rung
};

}  // namespace fer_ddp
