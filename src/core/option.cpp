// What an option of the table does: it takes a value of its type and range, gives it back, and is found by its key.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/option_table.h"
#include "core/text.h"

namespace fer_ddp {

using nlohmann::ordered_json;

bool Option::may_change(const Config& before) const {
  const bool is_fixed = before.schedule != ScheduleShape::kConstant || before.finish_epochs > 0;
  return free_on_resume && !(fixed_by_schedule && is_fixed);
}

const Option& find_option(const std::string& key, const std::string& where) {
  const auto table = option_table();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Option& option) { return option.key == key; });
  if (found != table.end()) return *found;
  std::vector<std::string> keys;
  for (const Option& option : table) keys.push_back(option.key);
  const std::string nearest = nearest_word(key, keys);
  throw user_error(fmt::format("{}: unknown key \"{}\"", where, key),
                   nearest.empty() ? "`fer-ddp config --schema` lists the known keys."
                                   : fmt::format("Did you mean \"{}\"?", nearest));
}

Override parse_override(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw user_error(fmt::format("--set {}: expected key=value", assignment),
                     "For example --set learning_rate=0.0001.");
  const Option& option = find_option(assignment.substr(0, equals), "--set " + assignment);
  const std::string text = assignment.substr(equals + 1);
  std::optional<ordered_json> json;
  try {
    json = parse_json(text);
  } catch (const ordered_json::exception&) {  // then it is a word
  }
  // A bare word is a text, also one that looks like a number.
  const bool is_bare =
      !json || (option.type_name() == "string" && !json->is_string() && !(json->is_null() && option.nullable())) ||
      (option.lists_texts() && !json->is_string() && !json->is_array());
  return {option, is_bare ? ordered_json(text) : *json};
}

bool Range::holds(double value) const {
  return (low_excluded ? value > low : value >= low) && (high_excluded ? value < high : value <= high);
}

std::string Range::text() const {
  const bool bounded_below = low > -std::numeric_limits<double>::infinity();
  const bool bounded_above = high < std::numeric_limits<double>::infinity();
  if (bounded_below && bounded_above && low == high) return fmt::format("{}", low);
  std::string words;
  if (bounded_below) words = fmt::format("{} {}", low_excluded ? "above" : "at least", low);
  if (bounded_above)
    words += fmt::format("{}{} {}", words.empty() ? "" : " and ", high_excluded ? "below" : "at most", high);
  return words;
}

namespace {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

using Texts = std::vector<std::string>;

template <typename T>
constexpr const char* schema_type() {
  if constexpr (std::is_same_v<T, bool>) return "boolean";
  if constexpr (std::is_integral_v<T>) return "integer";
  if constexpr (std::is_floating_point_v<T>) return "number";
  if constexpr (std::is_same_v<T, std::string> || Choice<T>) return "string";
  return "array";
}

// Calls `visitor` with a value-initialised object of the member's type, or of what it is optional over.
template <typename Visitor>
auto visit_type(const OptionMember& member, Visitor visitor) {
  return std::visit(
      [&](auto pointer) {
        using T = std::remove_cvref_t<decltype(std::declval<Config&>().*pointer)>;
        if constexpr (IsOptional<T>::value) {
          return visitor(typename T::value_type{});
        } else {
          return visitor(T{});
        }
      },
      member);
}

[[noreturn]] void refuse(const Option& option, const ordered_json& value, const std::string& expected,
                         const std::string& where) {
  throw user_error(fmt::format("{}: {} is {}, expected {}", where, option.key, json_text(value), expected),
                   fmt::format("{}: {}.", option.key, option.help));
}

template <typename T>
bool has_type(const ordered_json& value) {
  if constexpr (std::is_same_v<T, bool>)
    return value.is_boolean();
  else if constexpr (std::is_integral_v<T>)
    return whole_number_or_none<T>(value).has_value();
  else if constexpr (std::is_floating_point_v<T>)
    return value.is_number();
  else if constexpr (std::is_same_v<T, std::string> || Choice<T>)
    return value.is_string();
  else if constexpr (std::is_same_v<T, Texts>)
    return value.is_string() || (value.is_array() && std::all_of(value.begin(), value.end(),
                                                                 [](const auto& item) { return item.is_string(); }));
  else
    return value.is_array() && std::all_of(value.begin(), value.end(), [](const auto& item) {
             return whole_number_or_none<int>(item).has_value();
           });
}

template <typename T>
std::string type_words(const Option& option) {
  std::string words;
  if constexpr (std::is_same_v<T, bool>)
    words = "true or false";
  else if constexpr (std::is_integral_v<T>)
    words = "a whole number";
  else if constexpr (std::is_floating_point_v<T>)
    words = "a number";
  else if constexpr (std::is_same_v<T, std::string>)
    words = "a text";
  else if constexpr (Choice<T>)
    words = joined_choices(option.choices());
  else if constexpr (std::is_same_v<T, Texts>)
    words = "a text or a list of texts";
  else
    words = "a list of whole numbers";
  if (const std::string range = option.range.text(); !range.empty()) words += " " + range;
  if (option.nullable()) words += ", or null";
  return words;
}

template <typename T>
T checked_value(const Option& option, const ordered_json& value, const std::string& where) {
  if (!has_type<T>(value)) refuse(option, value, type_words<T>(option), where);
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    if (!option.range.holds(value.get<double>())) refuse(option, value, type_words<T>(option), where);
  }
  if constexpr (std::is_same_v<T, std::string>) {
    const auto text = value.get<std::string>();
    if (!is_utf8(text)) refuse(option, value, "a text in UTF-8", where);
  }
  if constexpr (Choice<T>) {
    const std::optional<T> chosen = choice_of<T>(value.get<std::string>());
    if (!chosen) refuse(option, value, type_words<T>(option), where);
    return *chosen;
  } else if constexpr (std::is_same_v<T, Texts>) {
    Texts texts = value.is_string() ? Texts{value.get<std::string>()} : value.get<Texts>();
    for (const std::string& text : texts)
      if (text.empty() || !is_utf8(text)) refuse(option, value, "texts in UTF-8, none of them empty", where);
    return texts;
  } else {
    return value.get<T>();
  }
}

}  // namespace

std::string Option::type_name() const {
  return visit_type(
      member, [](const auto& sample) -> std::string { return schema_type<std::remove_cvref_t<decltype(sample)>>(); });
}

bool Option::nullable() const {
  return std::visit(
      [](auto pointer) { return IsOptional<std::remove_cvref_t<decltype(std::declval<Config&>().*pointer)>>::value; },
      member);
}

std::vector<std::string> Option::choices() const {
  return visit_type(member, [](const auto& sample) -> std::vector<std::string> {
    if constexpr (Choice<std::remove_cvref_t<decltype(sample)>>) {
      const auto words = choice_words(sample);
      return {words.begin(), words.end()};
    } else {
      return {};
    }
  });
}

bool Option::lists_texts() const { return std::holds_alternative<Texts Config::*>(member); }

ordered_json Option::value(const Config& config) const {
  return std::visit(
      [&](auto pointer) -> ordered_json {
        using T = std::remove_cvref_t<decltype(config.*pointer)>;
        if constexpr (IsOptional<T>::value) {
          return (config.*pointer) ? ordered_json(*(config.*pointer)) : ordered_json(nullptr);
        } else if constexpr (Choice<T>) {
          return choice_word(config.*pointer);
        } else {
          return config.*pointer;
        }
      },
      member);
}

void Option::set(Config& config, const ordered_json& value, const std::string& where) const {
  std::visit(
      [&](auto pointer) {
        using T = std::remove_cvref_t<decltype(config.*pointer)>;
        if constexpr (IsOptional<T>::value) {
          if (value.is_null()) {
            config.*pointer = std::nullopt;
          } else {
            config.*pointer = checked_value<typename T::value_type>(*this, value, where);
          }
        } else {
          config.*pointer = checked_value<T>(*this, value, where);
        }
      },
      member);
}

}  // namespace fer_ddp
