// The documents derived from the option table: JSON Schema and the README's table.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "core/config.h"
#include "core/option_table.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

ordered_json option_schema(const Option& option) {
  ordered_json schema;
  schema["description"] = option.help;
  if (option.nullable()) {
    schema["type"] = {option.type_name(), "null"};
  } else if (option.lists_texts()) {
    schema["type"] = {option.type_name(), "string"};
  } else {
    schema["type"] = option.type_name();
  }
  if (option.type_name() == "array") schema["items"] = {{"type", option.lists_texts() ? "string" : "integer"}};
  const std::vector<std::string> choices = option.choices();
  if (!choices.empty()) schema["enum"] = choices;
  if (std::isfinite(option.range.low))
    schema[option.range.low_excluded ? "exclusiveMinimum" : "minimum"] = option.range.low;
  if (std::isfinite(option.range.high))
    schema[option.range.high_excluded ? "exclusiveMaximum" : "maximum"] = option.range.high;
  schema["default"] = option.value(Config{});
  return schema;
}

}  // namespace

ordered_json config_schema() {
  ordered_json properties = ordered_json::object();
  for (const Option& option : option_table()) properties[option.key] = option_schema(option);
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "fer-ddp configuration"},
          {"type", "object"},
          {"properties", properties},
          {"required", {"data"}},
          {"additionalProperties", false}};
}

std::string config_table_markdown() {
  std::string table = "| key | default | meaning |\n|---|---|---|\n";
  for (const Option& option : option_table()) {
    std::string meaning = option.help;
    if (const std::vector<std::string> choices = option.choices(); !choices.empty())
      meaning += fmt::format(" (`{}`)", fmt::join(choices, "`, `"));
    if (const std::string range = option.range.text(); !range.empty()) meaning += fmt::format(" ({})", range);
    table += fmt::format("| `{}` | `{}` | {} |\n", option.key, option.value(Config{}).dump(), meaning);
  }
  std::vector<std::string> free;
  for (const Option& option : option_table())
    if (option.free_on_resume)
      free.push_back(
          fmt::format("`{}`{}", option.key, option.fixed_by_schedule ? " (unless `schedule` needs it)" : ""));
  table += fmt::format("\n`--resume` may change {}; everything else stays what the run was started with.\n",
                       fmt::join(free, ", "));
  return table;
}

}  // namespace fer_ddp
