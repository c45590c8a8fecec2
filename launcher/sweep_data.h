// The data sets of a sweep, each loaded once for all of its runs and groups.
#pragma once

#include <optional>
#include <vector>

#include "comm/agreement.h"
#include "data/dataset.h"
#include "launcher/command.h"
#include "launcher/sweep_folder.h"
#include "sweep/sweep.h"

namespace fer_ddp {

class SweepData {
 public:
  // Of a run, by its number. Throws AgreedError (the user's fault), alike on all ranks, where it could not be loaded.
  [[nodiscard]] const Dataset& of(size_t run) const;

 private:
  friend SweepData load_sweep_data(Sweep& sweep, const SweepFolder& folder, int threads, Session& session);

  struct Loaded {
    std::optional<Dataset> set{};
    std::optional<AgreedError> problem{};  // the runs' own
  };

  std::vector<Loaded> sets_{};
  std::vector<size_t> of_run_{};
};

// Collective over the job. Runs of made shards are told where those are, and all the checksum of their data. Throws
// AgreedError where no data set can be loaded.
[[nodiscard]] SweepData load_sweep_data(Sweep& sweep, const SweepFolder& folder, int threads, Session& session);

}  // namespace fer_ddp
