// JSON as text, whatever its strings hold: bytes that are not UTF-8, which JSON cannot, become U+FFFD. For all that
// holds text from outside, such as paths and the names of hosts and devices; what must come back unchanged is refused
// where it comes in.
#pragma once

#include <string>

namespace fer_ddp {

// `json` is a nlohmann::json or ordered_json; `indent` below 0: on one line.
template <class Json>
[[nodiscard]] std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace fer_ddp
