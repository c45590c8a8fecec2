// The table of options: the one place that says which keys a configuration has. Parser, resolved output, JSON Schema,
// README table and error messages are all derived from it.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/config.h"

namespace fer_ddp {

struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_excluded = false;
  bool high_excluded = false;

  [[nodiscard]] bool holds(double value) const;
  [[nodiscard]] std::string text() const;  // "above 0", "at least 1", "above 0 and below 1"
};

using OptionMember =
    std::variant<double Config::*, int Config::*, int64_t Config::*, bool Config::*, std::string Config::*,
                 std::vector<int> Config::*, std::vector<std::string> Config::*, std::optional<int> Config::*,
                 std::optional<double> Config::*, std::optional<std::string> Config::*, Loss Config::*,
                 OptimizerRule Config::*, Monitor Config::*, ScheduleShape Config::*, SplitRule Config::*,
                 BatchNormScope Config::*, AugmentPreset Config::*, TestViews Config::*, DeviceChoice Config::*,
                 Precision Config::*, ConvolutionChoice Config::*, GradientAllReduce Config::*, StepChoice Config::*>;

struct Option {
  std::string key;
  OptionMember member;
  std::string help;                // one sentence, no full stop
  Range range{};                   // numbers
  bool free_on_resume = false;     // a resumed run may change it,
  bool fixed_by_schedule = false;  // unless its learning rate, or which epochs are the last ones, depends on it

  // Whether a run that was started with `before` may be resumed with another value.
  [[nodiscard]] bool may_change(const Config& before) const;

  [[nodiscard]] std::string type_name() const;  // JSON Schema's: "number", "integer", "boolean", "string", "array"
  [[nodiscard]] bool nullable() const;
  [[nodiscard]] std::vector<std::string> choices() const;  // the words of a choice; empty: it is none
  // A list of texts, for which one text may be given by itself; other lists are of whole numbers.
  [[nodiscard]] bool lists_texts() const;
  [[nodiscard]] nlohmann::ordered_json value(const Config& config) const;

  // Throws Error (the user's fault); `where` names the file or the command-line option the value came from.
  void set(Config& config, const nlohmann::ordered_json& value, const std::string& where) const;
};

[[nodiscard]] std::span<const Option> option_table();

// Throws Error (the user's fault) that names `where` and the nearest known key.
[[nodiscard]] const Option& find_option(const std::string& key, const std::string& where);

// "key=value" as --set takes it: JSON, or a bare word for a text. Throws as find_option() does; whether the option
// takes the value is for Option::set() to say.
struct Override {
  const Option& option;
  nlohmann::ordered_json value;
};
[[nodiscard]] Override parse_override(const std::string& assignment);

}  // namespace fer_ddp
