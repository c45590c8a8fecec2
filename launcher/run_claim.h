// Claims a run's folder before training, on rank 0 alone. In this order:
//   - a folder that holds what a run would replace, but is no run's, is refused, and so is a run's folder where neither
//     --resume nor --overwrite was given, or whose past a resumed run's configuration does not fit;
//   - the folder's lease is taken (core/run_lease.h), which keeps other processes out until the run ends, and what
//     killed runs left half-written is cleared away;
//   - begin(), once all that can be wrong before the first step has been looked at, replaces the old run and marks the
//     folder as this one's. Until then an old run is whole, and a start that fails leaves the folder as it was.
// What a run writes is core/run_layout.h's list; nothing else is ever removed.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "core/atomic_file.h"
#include "core/config.h"
#include "core/run_lease.h"
#include "core/run_log.h"

namespace fer_ddp {

enum class ExistingRun { kRefuse, kOverwrite, kResume };

// Where the shards that a run makes of its input file are kept, and where they are made: they take their place when
// the run begins.
[[nodiscard]] std::filesystem::path made_shards(const Config& config);
[[nodiscard]] std::filesystem::path unpublished_shards(const Config& config);

class RunClaim {
 public:
  // Throws Error, naming what is in the way: the user's fault. A run that is to be resumed and has ended is not claimed
  // (is_over) where `asks_for_no_more` says that the configuration wants nothing beyond that end. The log outlives
  // this, and so does the configuration.
  RunClaim(const Config& config, ExistingRun existing, std::function<bool()> asks_for_no_more, RunLog& log);
  RunClaim(const RunClaim&) = delete;
  RunClaim& operator=(const RunClaim&) = delete;
  ~RunClaim();  // gives the folder back

  [[nodiscard]] bool is_over() const { return is_over_; }

  // Replaces the old run, publishes unpublished_shards(), writes config.json and opens log.jsonl.
  void begin();

  // To be asked before anything is published in the folder: throws Error (the machine's fault) where it belongs to
  // another process by now.
  [[nodiscard]] PublishCheck check() const;

  // The same by what was last seen, 2 s ago at most, and at no cost.
  void require_as_last_seen() const;

  // Does the folder still belong to this process?
  [[nodiscard]] bool holds() const noexcept;

 private:
  void admit(bool may_be_live);
  void remove_old_run();
  void give_back() noexcept;

  const Config& config_;
  ExistingRun existing_;
  std::function<bool()> asks_for_no_more_;
  RunLog& log_;
  std::filesystem::path folder_;       // as the configuration has it, for messages
  std::filesystem::path resolved_;     // the same
  std::filesystem::path made_folder_;  // the topmost folder that had to be made; empty: none
  bool is_over_ = false;
  bool begun_ = false;
  std::unique_ptr<RunLease> lease_;
};

}  // namespace fer_ddp
