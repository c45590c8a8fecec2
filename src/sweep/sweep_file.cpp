#include "sweep/sweep_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/option_table.h"
#include "core/text.h"
#include "sweep/draws.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

constexpr size_t kMostRuns = 10000;

ordered_json parse_object(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> open;
  const auto refuse_duplicates = [&](int, ordered_json::parse_event_t event, ordered_json& parsed) {
    if (event == ordered_json::parse_event_t::object_start) open.emplace_back();
    if (event == ordered_json::parse_event_t::object_end) open.pop_back();
    if (event == ordered_json::parse_event_t::key && !open.back().insert(parsed.get<std::string>()).second)
      throw user_error(fmt::format("{}: key \"{}\" is given twice", where, parsed.get<std::string>()),
                       "Keep one of them.");
    return true;
  };
  try {
    ordered_json object = parse_json(text, refuse_duplicates);
    if (object.is_object()) return object;
  } catch (const ordered_json::exception& problem) {
    throw user_error(fmt::format("{}: not valid JSON: {}", where, problem.what()),
                     "JSON wants double quotes, and no comma before a }.");
  }
  throw user_error(where + ": not a JSON object", R"(A sweep looks like {"config": "exp.json", "seeds": [0, 1, 2]}.)");
}

void require_known_keys(const ordered_json& object, const std::vector<std::string>& known, const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string nearest = nearest_word(key, known);
    throw user_error(fmt::format("{}: unknown key \"{}\"", where, key),
                     nearest.empty() ? fmt::format("It may have {}.", fmt::join(known, ", "))
                                     : fmt::format("Did you mean \"{}\"?", nearest));
  }
}

[[noreturn]] void refuse(const std::string& where, const ordered_json& value, const char* expected,
                         const std::string& advice = {}) {
  throw user_error(fmt::format("{} is {}, expected {}", where, json_text(value), expected), advice);
}

int64_t number_at(const ordered_json& object, const char* key, int64_t otherwise, int64_t least,
                  const std::string& where) {
  if (!object.contains(key)) return otherwise;
  const std::optional<int64_t> number = whole_number_or_none<int64_t>(object.at(key));
  if (!number || *number < least || *number > std::numeric_limits<int>::max())
    refuse(fmt::format("{}: {}", where, key), object.at(key), fmt::format("a whole number from {}", least).c_str());
  return *number;
}

std::string text_at(const ordered_json& object, const char* key, const std::string& otherwise,
                    const std::string& where) {
  if (!object.contains(key)) return otherwise;
  if (!object.at(key).is_string()) refuse(fmt::format("{}: {}", where, key), object.at(key), "a text");
  return object.at(key).get<std::string>();
}

// What the file says, piece by piece. `where_` begins each message.
class SweepFile {
 public:
  SweepFile(std::string_view text, const fs::path& path)
      : where_(path.string()), stem_(path.stem().string()), file_(parse_object(text, where_)) {
    require_known_keys(file_,
                       {"config", "base", "grid", "list", "random", "seeds", "halving", "by", "ranks_per_run", "groups",
                        "name", "output"},
                       where_);
  }

  [[nodiscard]] Sweep resolve(const std::vector<std::string>& overrides) const {
    Sweep sweep;
    sweep.name = text_at(file_, "name", stem_, where_);
    require_word(sweep.name);
    sweep.output = text_at(file_, "output", "sweeps/" + sweep.name, where_);
    if (sweep.output.empty()) refuse(where_ + ": output", sweep.output, "a folder", "Without it that is sweeps/NAME.");
    require_one_of({"ranks_per_run", "groups"});
    sweep.groups = static_cast<int>(number_at(file_, "groups", 0, 1, where_));
    sweep.ranks_per_run = sweep.groups > 0 ? 0 : static_cast<int>(number_at(file_, "ranks_per_run", 1, 1, where_));
    sweep.halving = halving();
    sweep.settings = settings();
    for (const ordered_json& setting : sweep.settings) require_own_keys(setting, sweep.halving.has_value());
    add_runs(sweep, base(overrides, sweep.halving.has_value()));
    sweep.by = by(sweep.runs.front().config);
    return sweep;
  }

 private:
  void require_word(const std::string& name) const {
    if (name.empty() || name.find('/') != std::string::npos || name == "." || name == ".." || !is_utf8(name))
      refuse(where_ + ": name", name, "a word and no path");
  }

  void require_one_of(std::initializer_list<const char*> keys) const {
    const auto given = std::count_if(keys.begin(), keys.end(), [&](const char* key) { return file_.contains(key); });
    if (given > 1)
      throw user_error(fmt::format("{}: {} are given together", where_, fmt::join(keys, ", ")), "Keep one of them.");
  }

  [[nodiscard]] std::optional<Halving> halving() const {
    if (!file_.contains("halving")) return std::nullopt;
    const ordered_json& json = file_.at("halving");
    const std::string where = where_ + ": halving";
    if (!json.is_object()) refuse(where, json, R"({"epochs": [4, 8, 16], "keep": 0.5})");
    require_known_keys(json, {"epochs", "keep"}, where);
    Halving halving;
    const ordered_json epochs = json.value("epochs", ordered_json());
    const auto is_rising = [&] {
      if (!epochs.is_array() || epochs.empty()) return false;
      for (const ordered_json& item : epochs) {
        const std::optional<int> number = whole_number_or_none<int>(item);
        if (!number || *number <= (halving.epochs.empty() ? 0 : halving.epochs.back())) return false;
        halving.epochs.push_back(*number);
      }
      return true;
    };
    if (!is_rising()) refuse(where + ": epochs", epochs, "a list of rising whole numbers, the epochs of each rung");
    const ordered_json keep = json.value("keep", ordered_json(halving.keep));
    if (!keep.is_number() || !(keep.get<double>() > 0 && keep.get<double>() < 1))
      refuse(where + ": keep", keep, "the share of the settings that goes on, above 0 and below 1");
    halving.keep = keep.get<double>();
    return halving;
  }

  [[nodiscard]] std::vector<ordered_json> settings() const {
    require_one_of({"grid", "list", "random"});
    if (file_.contains("grid")) return grid(file_.at("grid"));
    if (file_.contains("list")) return list(file_.at("list"));
    if (file_.contains("random")) return random(file_.at("random"));
    return {ordered_json::object()};
  }

  // The last key's values change fastest.
  [[nodiscard]] std::vector<ordered_json> grid(const ordered_json& json) const {
    const std::string where = where_ + ": grid";
    if (!json.is_object()) refuse(where, json, R"({KEY: [VALUE, ...], ...})");
    std::vector<ordered_json> settings = {ordered_json::object()};
    for (const auto& [key, values] : json.items()) {
      if (!values.is_array() || values.empty()) refuse(fmt::format("{}: {}", where, key), values, "a list of values");
      require_few(settings.size() * values.size());
      std::vector<ordered_json> longer;
      for (const ordered_json& setting : settings) {
        for (const ordered_json& value : values) {
          longer.push_back(setting);
          longer.back()[key] = value;
        }
      }
      settings = std::move(longer);
    }
    return settings;
  }

  [[nodiscard]] std::vector<ordered_json> list(const ordered_json& json) const {
    const std::string where = where_ + ": list";
    const auto is_object = [](const ordered_json& item) { return item.is_object(); };
    if (!json.is_array() || json.empty() || !std::all_of(json.begin(), json.end(), is_object))
      refuse(where, json, R"([{KEY: VALUE, ...}, ...])");
    require_few(json.size());
    return json.get<std::vector<ordered_json>>();
  }

  [[nodiscard]] std::vector<ordered_json> random(const ordered_json& json) const {
    const std::string where = where_ + ": random";
    if (!json.is_object()) refuse(where, json, R"({"draws": N, "keys": {...}})");
    require_known_keys(json, {"draws", "seed", "keys"}, where);
    const ordered_json keys = json.value("keys", ordered_json());
    if (!keys.is_object() || keys.empty()) refuse(where + ": keys", keys, R"({KEY: {"uniform": [LOW, HIGH]}, ...})");
    if (!json.contains("draws")) throw user_error(where + ": draws is not given", "Say how many settings to draw.");
    const int64_t draws = number_at(json, "draws", 0, 1, where);
    const int64_t seed = number_at(json, "seed", 0, 0, where);
    require_few(static_cast<size_t>(draws));
    std::vector<ordered_json> settings(static_cast<size_t>(draws), ordered_json::object());
    for (size_t draw = 0; draw < settings.size(); ++draw)
      for (const auto& [key, range] : keys.items())
        settings[draw][key] =
            draw_value(range, key, static_cast<uint64_t>(seed), draw, fmt::format("{}: keys: {}", where, key));
    return settings;
  }

  void require_few(size_t runs) const {
    if (runs > kMostRuns)
      throw user_error(fmt::format("{}: more than {} runs", where_, grouped(kMostRuns)), "Sweep over fewer values.");
  }

  // Names and folders are the sweep's to give.
  void require_own_keys(const ordered_json& setting, bool halved) const {
    Config scratch;
    for (const auto& [key, value] : setting.items()) {
      find_option(key, where_).set(scratch, value, where_);
      if (key == "name" || key == "output")
        throw user_error(fmt::format("{}: {} cannot be swept over: the sweep gives it", where_, key));
      if (key == "random_seed" && file_.contains("seeds"))
        throw user_error(fmt::format("{}: random_seed is swept over, and seeds are given", where_),
                         "Keep one of them.");
      if (key == "epochs" && halved)
        throw user_error(fmt::format("{}: epochs is swept over, but halving says how many there are", where_),
                         "Keep one of them.");
    }
  }

  [[nodiscard]] ordered_json base(const std::vector<std::string>& overrides, bool halved) const {
    require_one_of({"config", "base"});
    ordered_json base = ordered_json::object();
    if (file_.contains("config")) {
      const fs::path path = text_at(file_, "config", "", where_);
      base = parse_object(read_file(path, kMostTextBytes), path.string());
    }
    if (file_.contains("base")) base = file_.at("base");
    if (!base.is_object()) refuse(where_ + ": base", base, "a configuration");
    for (const char* key : {"name", "output"}) base.erase(key);
    for (const std::string& assignment : overrides) {
      const Override parsed = parse_override(assignment);
      if (parsed.option.key == "name" || parsed.option.key == "output")
        throw user_error(fmt::format("--set {}: the sweep gives each run its {}", assignment, parsed.option.key),
                         "The sweep file has a name and an output of its own.");
      const bool by_seeds = parsed.option.key == "random_seed" && file_.contains("seeds");
      if (by_seeds || (parsed.option.key == "epochs" && halved))
        throw user_error(
            fmt::format("--set {}: {} says it by its {}", assignment, where_, by_seeds ? "seeds" : "halving"),
            "Change it there.");
      Config scratch;
      parsed.option.set(scratch, parsed.value, "--set " + assignment);
      base[parsed.option.key] = parsed.value;
    }
    return base;
  }

  // None: the base's own random_seed.
  [[nodiscard]] std::vector<std::optional<int64_t>> seeds() const {
    if (!file_.contains("seeds")) return {std::nullopt};
    const ordered_json& json = file_.at("seeds");
    std::vector<std::optional<int64_t>> seeds;
    std::set<int64_t> seen;
    const auto is_seeds = [&] {
      if (!json.is_array() || json.empty()) return false;
      for (const ordered_json& item : json) {
        const std::optional<int64_t> seed = whole_number_or_none<int64_t>(item);
        if (!seed || *seed < 0 || !seen.insert(*seed).second) return false;
        seeds.emplace_back(seed);
      }
      return true;
    };
    if (!is_seeds()) refuse(where_ + ": seeds", json, "a list of different whole numbers from 0");
    return seeds;
  }

  void add_runs(Sweep& sweep, const ordered_json& base) const {
    const std::vector<std::optional<int64_t>> all_seeds = seeds();
    require_few(sweep.settings.size() * all_seeds.size());
    for (size_t i = 0; i < sweep.settings.size(); ++i) {
      for (const std::optional<int64_t>& seed : all_seeds) {
        ordered_json keys = base;
        keys.update(sweep.settings[i]);
        if (seed) keys["random_seed"] = *seed;
        SweepRun run{.name = seed ? fmt::format("{:03}-s{}", i, *seed) : fmt::format("{:03}", i), .setting = i};
        if (sweep.halving) keys["epochs"] = sweep.halving->epochs.back();
        keys["name"] = run.name;
        keys["output"] = (fs::path(sweep.output) / "runs" / run.name).string();
        run.config = parse_config(keys.dump(), fmt::format("{}: run {}", where_, run.name));
        if (sweep.halving) require_halvable(run);
        sweep.runs.push_back(std::move(run));
      }
    }
  }

  void require_halvable(const SweepRun& run) const {
    const Config& config = run.config;
    if (config.schedule == ScheduleShape::kConstant && config.finish_epochs == 0) return;
    throw user_error(fmt::format("{}: run {}: halving trains a run on with more epochs, on which its {} depends",
                                 where_, run.name, config.finish_epochs > 0 ? "finish_epochs" : "schedule"),
                     "Set schedule to constant and finish_epochs to 0, or do without halving.");
  }

  [[nodiscard]] Monitor by(const Config& config) const {
    if (!file_.contains("by")) return config.monitor;
    const std::optional<Monitor> monitor = choice_of<Monitor>(text_at(file_, "by", "", where_));
    if (!monitor) refuse(where_ + ": by", file_.at("by"), "val_loss or val_accuracy");
    return *monitor;
  }

  std::string where_;
  std::string stem_;
  ordered_json file_;
};

}  // namespace

Sweep load_sweep(const fs::path& path, const std::vector<std::string>& overrides) {
  return parse_sweep(read_file(path, kMostTextBytes), path, overrides);
}

Sweep parse_sweep(std::string_view text, const fs::path& path, const std::vector<std::string>& overrides) {
  return SweepFile(text, path).resolve(overrides);
}

}  // namespace fer_ddp
