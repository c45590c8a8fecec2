// Doubles in JSON without loss: finite ones as numbers (shortest form that reads back to the same bits), the others,
// which JSON does not know, as the texts "nan", "inf" and "-inf". Pure functions.
#pragma once

#include <nlohmann/json.hpp>

namespace fer_ddp {

[[nodiscard]] nlohmann::ordered_json exact_number(double value);

// Throws nlohmann::json::exception for anything that exact_number() does not write.
[[nodiscard]] double exact_value(const nlohmann::ordered_json& json);

}  // namespace fer_ddp
