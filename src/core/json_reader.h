// JSON from outside, read with bounds that keep a hostile text from costing more than its own size. nlohmann's parser
// needs no stack for what is nested, but whatever copies, compares or prints its outcome does; and a key is looked for
// among all before it. Numbers are taken for what they are: the library itself would cut them off to fit. Pure
// functions; all throw nlohmann::json::exception.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

namespace fer_ddp {

inline constexpr size_t kDeepestJson = 64;                // lists and objects within each other
inline constexpr size_t kMostJsonKeys = size_t{1} << 14;  // of one object

// `callback` as nlohmann::ordered_json::parse takes it.
[[nodiscard]] nlohmann::ordered_json parse_json(std::string_view text,
                                                const nlohmann::ordered_json::parser_callback_t& callback = nullptr);

// None for anything but a whole number that the type holds: not for true, nor for 1.0.
template <typename Integer>
[[nodiscard]] std::optional<Integer> whole_number_or_none(const nlohmann::ordered_json& json) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<uint64_t>();
    return std::in_range<Integer>(value) ? std::optional(static_cast<Integer>(value)) : std::nullopt;
  }
  if (!json.is_number_integer()) return std::nullopt;
  const auto value = json.get<int64_t>();
  return std::in_range<Integer>(value) ? std::optional(static_cast<Integer>(value)) : std::nullopt;
}

// Throws where whole_number_or_none() has none.
template <typename Integer>
[[nodiscard]] Integer whole_number(const nlohmann::ordered_json& json) {
  if (const std::optional<Integer> number = whole_number_or_none<Integer>(json)) return *number;
  throw nlohmann::json::type_error::create(302, "not a whole number of the size that is wanted", &json);
}

}  // namespace fer_ddp
