#include "core/exact_number.h"

#include <cmath>
#include <limits>
#include <string>

namespace fer_ddp {

nlohmann::ordered_json exact_number(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

double exact_value(const nlohmann::ordered_json& json) {
  if (!json.is_string()) return json.get<double>();
  const auto text = json.get<std::string>();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  throw nlohmann::json::type_error::create(302, "neither a number nor nan, inf or -inf", &json);
}

}  // namespace fer_ddp
