// A table's JSON as a tree of bounded depth and size, before anything in it is believed; and how a piece of it is
// quoted in a message.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace fer_ddp {

// More than any network needs, and little enough to be refused quickly.
inline constexpr size_t kMostTableBytes = size_t{1} << 20;
inline constexpr int kMostTableDepth = 40;

// Throws Error (the user's fault) that names `where`: too large, too deep, not JSON, or a key given twice.
[[nodiscard]] nlohmann::json parse_table_json(std::string_view text, const std::string& where);

// A value's JSON, or a text, as a message may quote it: printable ASCII alone, cut where it is long.
[[nodiscard]] std::string excerpt(const nlohmann::json& value);
[[nodiscard]] std::string printable(std::string_view text, size_t most_characters);

}  // namespace fer_ddp
