// Who goes on to the next rung: a pure function of what a rung's runs came to.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sweep/run_outcome.h"
#include "sweep/sweep.h"

namespace fer_ddp {

// What a rung's settings came to.
struct RungDecision {
  struct Entry {
    size_t setting = 0;
    std::optional<double> value{};  // the mean over its seeds; none: one of them failed, diverged or was not validated
  };
  std::vector<Entry> settings{};    // all that were in the rung, rising
  std::vector<size_t> survivors{};  // rising
};

// `outcomes` are of all runs of the sweep, by their number; `in_rung` the settings in it. The best
// max(1, floor(keep * settings)) of those that have a value go on, of equals the first; none where none has.
[[nodiscard]] RungDecision decide_rung(const Sweep& sweep, size_t rung, const std::vector<size_t>& in_rung,
                                       const std::vector<RunOutcome>& outcomes);

[[nodiscard]] nlohmann::ordered_json rung_to_json(const RungDecision& decision, const Sweep& sweep, size_t rung);

// The survivors. Throws Error (the user's fault), `where` naming the document.
[[nodiscard]] std::vector<size_t> survivors_from_json(const nlohmann::ordered_json& document, const Sweep& sweep,
                                                      const std::string& where);

}  // namespace fer_ddp
