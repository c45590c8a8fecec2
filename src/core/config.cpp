#include "core/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_reader.h"
#include "core/option_table.h"
#include "core/text.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

ordered_json parse_object(std::string_view text, const std::string& where) {
  std::set<std::string> seen;
  const auto refuse_duplicates = [&](int depth, ordered_json::parse_event_t event, ordered_json& parsed) {
    if (event == ordered_json::parse_event_t::key && depth == 1 && !seen.insert(parsed.get<std::string>()).second)
      throw user_error(fmt::format("{}: key \"{}\" is given twice", where, parsed.get<std::string>()),
                       "Keep one of them.");
    return true;
  };
  try {
    ordered_json object = parse_json(text, refuse_duplicates);
    if (!object.is_object())
      throw user_error(where + ": not a JSON object", "A config looks like {\"data\": \"fer2013.csv\"}.");
    return object;
  } catch (const nlohmann::json::exception& failure) {
    std::string reason = failure.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (const size_t bracket = reason.find("] "); bracket != std::string::npos) reason = reason.substr(bracket + 2);
    throw user_error(fmt::format("{}: not valid JSON: {}", where, reason),
                     "JSON wants double quotes, and no comma before a }.");
  }
}

// A schedule knows when it ends, so that what would end it before is for those who ask for it.
void leave_the_end_to_the_schedule(Config& config, const std::set<std::string>& given) {
  if (config.schedule == ScheduleShape::kConstant) return;
  if (!given.contains("early_stopping_patience")) config.early_stopping_patience = std::nullopt;
  if (!given.contains("lr_patience")) config.lr_patience = std::nullopt;
  if (!given.contains("restore_best_weights")) config.restore_best_weights = false;
}

// A resolved configuration of the time before schedules holds all keys that there were, and a weight_decay that was
// AdamW's alone.
void forget_unused_decay(Config& config, const std::set<std::string>& given) {
  if (!given.contains("metrics_in_the_clear") || given.contains("schedule") || !given.contains("weight_decay")) return;
  if (config.optimizer != OptimizerRule::kAdamW || config.weight_decay == 0.004) config.weight_decay = std::nullopt;
}

void check_optimizer(const Config& config, const std::string& where) {
  if (config.optimizer == OptimizerRule::kAdam && config.weight_decay.value_or(0.0) > 0)
    throw user_error(fmt::format("{}: weight_decay is {}, but Adam has none", where, *config.weight_decay),
                     "AdamW is Adam with weight decay.");
  if (config.optimizer == OptimizerRule::kSgd && config.nesterov && config.momentum == 0)
    throw user_error(fmt::format("{}: nesterov is true, but momentum is 0: there is nothing to look ahead by", where),
                     "Set momentum, such as 0.9.");
}

void check_schedule(const Config& config, const std::string& where) {
  if (config.schedule == ScheduleShape::kConstant) return;
  if (config.warm_up_epochs >= config.epochs)
    throw user_error(fmt::format("{}: warm_up_epochs is {}, but epochs is {}: the learning rate would only rise", where,
                                 config.warm_up_epochs, config.epochs),
                     "Set warm_up_epochs below epochs.");
  if (config.final_learning_rate > config.learning_rate)
    throw user_error(fmt::format("{}: final_learning_rate is {}, above learning_rate, {}", where,
                                 config.final_learning_rate, config.learning_rate),
                     "learning_rate is the schedule's highest.");
}

void check_together(const Config& config, const std::string& where) {
  if (!is_utf8(config.name)) {
    throw user_error(fmt::format("{}: name would be the file's own, {}, which is not UTF-8", where, config.name),
                     "Give the run another one: --set name=NAME.");
  }
  if (config.input_shape != std::vector<int>{48, 48, 1}) {
    throw user_error(
        fmt::format("{}: input_shape is {}, expected [48, 48, 1]", where, ordered_json(config.input_shape).dump()),
        "FER2013's images are grey and of 48 x 48 pixels.");
  }
  if (config.min_learning_rate > config.learning_rate) {
    throw user_error(fmt::format("{}: min_learning_rate is {}, above learning_rate, {}", where,
                                 config.min_learning_rate, config.learning_rate),
                     "The plateau only ever lowers the learning rate.");
  }
  check_schedule(config, where);
  check_optimizer(config, where);
  if (config.finish_epochs > config.epochs) {
    throw user_error(
        fmt::format("{}: finish_epochs is {}, more than epochs, {}", where, config.finish_epochs, config.epochs),
        "They are the last of them.");
  }
  if (config.init != "glorot_uniform" && config.init != "uniform_fan_in" && !config.init.ends_with(".safetensors")) {
    throw user_error(fmt::format("{}: init is \"{}\", expected glorot_uniform, uniform_fan_in or a .safetensors file",
                                 where, config.init));
  }
  const bool has_control = std::any_of(config.name.begin(), config.name.end(),
                                       [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; });
  if (has_control)
    throw user_error(fmt::format("{}: name holds a control character, such as an end of line", where),
                     "It is what people call the run, in one line.");
  const bool is_path = config.name.find('/') != std::string::npos || config.name == "." || config.name == "..";
  if (config.name.empty() || is_path) {
    throw user_error(fmt::format("{}: name is \"{}\", expected a word and no path", where, config.name),
                     "The run's folder is named by output; name is what people call the run.");
  }
}

}  // namespace

Config load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  return parse_config(read_file(path, kMostTextBytes), path, overrides);
}

Config parse_config(std::string_view text, const std::filesystem::path& path,
                    const std::vector<std::string>& overrides) {
  const std::string where = path.string();
  Config config;
  const ordered_json object = parse_object(text, where);
  std::set<std::string> given;
  for (const auto& [key, value] : object.items()) {
    find_option(key, where).set(config, value, where);
    given.insert(key);
  }
  forget_unused_decay(config, given);
  for (const std::string& assignment : overrides) {
    const Override parsed = parse_override(assignment);
    parsed.option.set(config, parsed.value, "--set " + assignment);
    given.insert(parsed.option.key);
  }
  leave_the_end_to_the_schedule(config, given);
  if (config.name.empty()) config.name = path.stem().string();
  if (config.output.empty()) config.output = "runs/" + config.name;
  check_together(config, where);
  return config;
}

ordered_json config_to_json(const Config& config) {
  ordered_json object = ordered_json::object();
  for (const Option& option : option_table()) object[option.key] = option.value(config);
  return object;
}

}  // namespace fer_ddp
