#include "sweep/halving.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/exact_number.h"
#include "core/json_reader.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

std::optional<double> mean_value(const Sweep& sweep, size_t setting, size_t rung,
                                 const std::vector<RunOutcome>& outcomes) {
  double sum = 0;
  int seeds = 0;
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    if (sweep.runs[i].setting != setting) continue;
    const std::optional<double> value = outcomes[i].value_in(rung, sweep.config_of(i, rung).epochs, sweep.by);
    if (!value) return std::nullopt;
    sum += *value;
    ++seeds;
  }
  return sum / seeds;
}

}  // namespace

RungDecision decide_rung(const Sweep& sweep, size_t rung, const std::vector<size_t>& in_rung,
                         const std::vector<RunOutcome>& outcomes) {
  RungDecision decision;
  for (const size_t setting : in_rung)
    decision.settings.push_back({setting, mean_value(sweep, setting, rung, outcomes)});
  std::vector<RungDecision::Entry> ranked;
  for (const RungDecision::Entry& entry : decision.settings)
    if (entry.value) ranked.push_back(entry);
  std::stable_sort(ranked.begin(), ranked.end(), [&](const RungDecision::Entry& a, const RungDecision::Entry& b) {
    return sweep.by == Monitor::kValidationLoss ? *a.value < *b.value : *a.value > *b.value;
  });
  // A third of three is one, whatever a third is in binary.
  constexpr double kRounding = 1e-9;
  const auto kept = static_cast<size_t>(
      std::max(1.0, std::floor(sweep.halving->keep * static_cast<double>(in_rung.size()) + kRounding)));
  ranked.resize(std::min(kept, ranked.size()));
  for (const RungDecision::Entry& entry : ranked) decision.survivors.push_back(entry.setting);
  std::sort(decision.survivors.begin(), decision.survivors.end());
  return decision;
}

ordered_json rung_to_json(const RungDecision& decision, const Sweep& sweep, size_t rung) {
  ordered_json settings = ordered_json::array();
  for (const RungDecision::Entry& entry : decision.settings)
    settings.push_back(
        {{"setting", entry.setting}, {"value", entry.value ? exact_number(*entry.value) : ordered_json(nullptr)}});
  return {{"rung", rung},
          {"epochs", sweep.halving->epochs[rung]},
          {"by", choice_word(sweep.by)},
          {"settings", std::move(settings)},
          {"survivors", decision.survivors}};
}

std::vector<size_t> survivors_from_json(const ordered_json& document, const Sweep& sweep, const std::string& where) {
  try {
    std::vector<size_t> survivors;
    for (const ordered_json& item : document.at("survivors")) survivors.push_back(whole_number<size_t>(item));
    const auto is_setting = [&](size_t setting) { return setting < sweep.settings.size(); };
    if (std::all_of(survivors.begin(), survivors.end(), is_setting)) return survivors;
    throw user_error(fmt::format("{}: names settings that the sweep has not", where), "Was the file changed by hand?");
  } catch (const ordered_json::exception& problem) {
    throw user_error(fmt::format("{}: is no rung as fer-ddp writes it: {}", where, problem.what()),
                     "Was the file changed by hand?");
  }
}

}  // namespace fer_ddp
