// A sweep: settings of a configuration's keys, each trained with each of some seeds, and where wanted by successive
// halving. Resolved, it is a list of runs with their whole configurations, which one rank makes of a sweep file and all
// others are given: what they train is agreed on before anything starts. Plain values.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace fer_ddp {

// Successive halving (Jamieson, Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
// AISTATS 2016). Rung r trains to epochs[r]; of the settings in it the best go on to the next.
struct Halving {
  std::vector<int> epochs{};  // rising
  double keep = 0.5;          // the share that goes on, above 0 and below 1
};

struct SweepRun {
  std::string name{};  // also of its folder, SWEEP/runs/NAME
  size_t setting = 0;
  Config config{};  // with halving, of the last rung
  // Dataset::checksum() of what it is trained on; empty: not loaded, or not noted yet.
  std::string data_checksum{};
};

struct Sweep {
  std::string name{};
  std::string output{};                   // the sweep's folder
  Monitor by = Monitor::kValidationLoss;  // what settings are compared by
  std::optional<Halving> halving{};
  int ranks_per_run = 1;                           // 0: `groups` says it
  int groups = 0;                                  // 0: as many as there are ranks for
  std::vector<nlohmann::ordered_json> settings{};  // objects: the keys that each sets
  std::vector<SweepRun> runs{};                    // those of a setting stand together, one a seed

  // Without halving there is one rung.
  [[nodiscard]] size_t rungs() const { return halving ? halving->epochs.size() : 1; }

  // The configuration of a run in a rung.
  [[nodiscard]] Config config_of(size_t run, size_t rung) const;
};

// Every key; sweep_from_json reads it back unchanged.
[[nodiscard]] nlohmann::ordered_json sweep_to_json(const Sweep& sweep);

// Throws Error (the user's fault), `where` naming the document.
[[nodiscard]] Sweep sweep_from_json(const nlohmann::ordered_json& document, const std::string& where);

// May `now` go on in the folder of `before`? Runs may be added, and what a resumed run may change may change: but for
// what a setting sets, for the data itself wherever it lies, and for what the results of runs depend on that are over
// and not trained again. Throws Error (the user's fault) naming the folder, the run and what differs.
void require_same_sweep(const Sweep& before, const Sweep& now);

// Runs whose data could not be loaded this time keep the checksum that was known.
void keep_checksums(const Sweep& before, Sweep& now);

// "learning_rate 0.01, batch_size 32"; "as configured" where a setting sets nothing.
[[nodiscard]] std::string setting_words(const nlohmann::ordered_json& setting);

}  // namespace fer_ddp
