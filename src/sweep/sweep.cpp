#include "sweep/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/option_table.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

ordered_json halving_to_json(const std::optional<Halving>& halving) {
  if (!halving) return nullptr;
  return {{"epochs", halving->epochs}, {"keep", halving->keep}};
}

std::optional<Halving> halving_from_json(const ordered_json& json) {
  if (json.is_null()) return std::nullopt;
  Halving halving{.keep = json.at("keep").get<double>()};
  for (const ordered_json& epochs : json.at("epochs")) halving.epochs.push_back(whole_number<int>(epochs));
  return halving;
}

// A run by itself may be resumed with other values of these. A sweep leaves its runs that are over as they are, and
// would compare them with runs of other values.
bool is_compared_under(std::string_view key) {
  constexpr std::array<std::string_view, 5> kKeys = {"early_stopping_patience", "lr_patience", "restore_best_weights",
                                                     "terminate_on_nan", "test_time_augmentation"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

// In whatever order the keys stand.
nlohmann::json unordered(const ordered_json& setting) { return nlohmann::json::parse(setting.dump()); }

void require_same_run(const Sweep& sweep_before, const SweepRun& before, const Sweep& sweep_now, const SweepRun& now) {
  const std::string advice = "Give this one another output.";
  const std::string& folder = sweep_now.output;
  for (const Option& option : option_table()) {
    const bool may_change = option.may_change(before.config) && !is_compared_under(option.key);
    if (may_change || option.value(before.config) == option.value(now.config)) continue;
    throw user_error(
        fmt::format("{}: holds another sweep: its run {} has {} {}, not {}", folder, before.name, option.key,
                    json_text(option.value(before.config)), json_text(option.value(now.config))),
        advice);
  }
  const ordered_json& setting_before = sweep_before.settings[before.setting];
  const ordered_json& setting_now = sweep_now.settings[now.setting];
  if (unordered(setting_before) != unordered(setting_now))
    throw user_error(fmt::format("{}: holds another sweep: its run {} is of the setting {}, not {}", folder,
                                 before.name, json_text(setting_before), json_text(setting_now)),
                     advice);
  const bool is_known = !before.data_checksum.empty() && !now.data_checksum.empty();
  if (is_known && before.data_checksum != now.data_checksum)
    throw user_error(fmt::format("{}: its run {} is of other data (checksum {}) than {} (checksum {})", folder,
                                 before.name, before.data_checksum, now.config.data, now.data_checksum),
                     "Go on with its own data, or give this sweep another output.");
}

}  // namespace

Config Sweep::config_of(size_t run, size_t rung) const {
  Config config = runs[run].config;
  if (halving) config.epochs = halving->epochs[rung];
  return config;
}

ordered_json sweep_to_json(const Sweep& sweep) {
  ordered_json runs = ordered_json::array();
  for (const SweepRun& run : sweep.runs)
    runs.push_back({{"name", run.name},
                    {"setting", run.setting},
                    {"data_checksum", run.data_checksum},
                    {"config", config_to_json(run.config)}});
  return {{"name", sweep.name},
          {"output", sweep.output},
          {"by", choice_word(sweep.by)},
          {"halving", halving_to_json(sweep.halving)},
          {"ranks_per_run", sweep.ranks_per_run},
          {"groups", sweep.groups},
          {"settings", sweep.settings},
          {"runs", std::move(runs)}};
}

Sweep sweep_from_json(const ordered_json& document, const std::string& where) {
  try {
    Sweep sweep{.name = document.at("name").get<std::string>(),
                .output = document.at("output").get<std::string>(),
                .by = choice_of<Monitor>(document.at("by").get<std::string>()).value_or(Monitor::kValidationLoss),
                .halving = halving_from_json(document.at("halving")),
                .ranks_per_run = whole_number<int>(document.at("ranks_per_run")),
                .groups = whole_number<int>(document.at("groups")),
                .settings = document.at("settings").get<std::vector<ordered_json>>()};
    for (const ordered_json& run : document.at("runs")) {
      const auto name = run.at("name").get<std::string>();
      const auto setting = whole_number<size_t>(run.at("setting"));
      if (setting >= sweep.settings.size())
        throw user_error(
            fmt::format("{}: run {} is of setting {}, but there are {}", where, name, setting, sweep.settings.size()));
      sweep.runs.push_back({name, setting, parse_config(run.at("config").dump(), where + ": run " + name),
                            run.value("data_checksum", std::string())});
    }
    return sweep;
  } catch (const ordered_json::exception& problem) {
    throw user_error(fmt::format("{}: is no sweep as fer-ddp writes it: {}", where, problem.what()),
                     "Was the file changed by hand?");
  }
}

void require_same_sweep(const Sweep& before, const Sweep& now) {
  const std::string advice = "Give this one another output.";
  const bool halved = before.halving || now.halving;
  if (halving_to_json(before.halving) != halving_to_json(now.halving) || (halved && before.by != now.by))
    throw user_error(fmt::format("{}: holds a sweep with other rungs", now.output), advice);
  if (halved && before.runs.size() != now.runs.size())
    throw user_error(fmt::format("{}: holds a sweep of {} runs, not {}: with halving they are decided on together",
                                 now.output, before.runs.size(), now.runs.size()),
                     advice);
  std::map<std::string, const SweepRun*> runs;
  for (const SweepRun& run : now.runs) runs.emplace(run.name, &run);
  for (const SweepRun& run : before.runs) {
    const auto found = runs.find(run.name);
    if (found == runs.end())
      throw user_error(
          fmt::format("{}: holds another sweep, with a run {} that this one has not", now.output, run.name), advice);
    require_same_run(before, run, now, *found->second);
  }
}

void keep_checksums(const Sweep& before, Sweep& now) {
  std::map<std::string, std::string> known;
  for (const SweepRun& run : before.runs) known.emplace(run.name, run.data_checksum);
  for (SweepRun& run : now.runs)
    if (run.data_checksum.empty() && known.contains(run.name)) run.data_checksum = known.at(run.name);
}

std::string setting_words(const ordered_json& setting) {
  std::string words;
  for (const auto& [key, value] : setting.items())
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", key,
                         value.is_string() ? value.get<std::string>() : json_text(value));
  return words.empty() ? "as configured" : words;
}

}  // namespace fer_ddp
