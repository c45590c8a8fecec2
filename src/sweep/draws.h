// Random draws of a configuration's values. A draw is a pure function of the sweep's seed, the draw's number and the
// key: the same on every rank and machine, whatever else is drawn.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace fer_ddp {

// `range` is {"uniform": [LOW, HIGH]}, {"log_uniform": [LOW, HIGH]}, both ends included, or {"choice": [...]}. Whole
// numbers are drawn for keys of that type, and others rounded to four significant digits. Throws Error (the user's
// fault), `where` naming the document and the key.
[[nodiscard]] nlohmann::ordered_json draw_value(const nlohmann::ordered_json& range, const std::string& key,
                                                uint64_t seed, uint64_t draw, const std::string& where);

}  // namespace fer_ddp
