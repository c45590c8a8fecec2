#include "network/table_values.h"

#include <fmt/format.h>

#include "core/error.h"
#include "network/table_json.h"

namespace fer_ddp {

using nlohmann::json;

void TableValues::refuse_table(const std::string& what, const std::string& advice) const {
  throw user_error(fmt::format("{}: {}", where_, what), advice);
}

void TableValues::refuse(const TablePlace& place, const std::string& what, const std::string& advice) const {
  const std::string kind = place.kind.empty() ? std::string() : fmt::format(" ({})", place.kind);
  throw user_error(
      fmt::format("{}, layer {}{}: {}; the shape there is {}", where_, place.layer, kind, what, place.shape.text()),
      advice);
}

void TableValues::require_image(const TablePlace& place) const {
  if (place.shape.flat)
    refuse(place, "it wants an image of features, channels x height x width",
           "Put it before the flatten or global_average_pool.");
}

void TableValues::require_empty(const json& value, const TablePlace& place) const {
  if (!value.is_object() || !value.empty())
    refuse(place, fmt::format("its value is {}, expected {{}}", excerpt(value)), "It has no options.");
}

int64_t TableValues::whole(const json& value, const char* what, int64_t low, int64_t high,
                           const TablePlace& place) const {
  // What does not fit into 64 bits with a sign comes as another type.
  if (value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{1} << 62)) {
    const auto found = value.get<int64_t>();
    if (found >= low && found <= high) return found;
  }
  refuse(place, fmt::format("{} is {}, expected a whole number from {} to {}", what, excerpt(value), low, high), "");
}

double TableValues::number(const json& value, const char* what, Bounds bounds, const TablePlace& place) const {
  if (value.is_number()) {
    const auto found = value.get<double>();
    const bool above = bounds.low_excluded ? found > bounds.low : found >= bounds.low;
    const bool below = bounds.high_excluded ? found < bounds.high : found <= bounds.high;
    if (above && below) return found;
  }
  refuse(place,
         fmt::format("{} is {}, expected a number {} {} and {} {}", what, excerpt(value),
                     bounds.low_excluded ? "above" : "at least", bounds.low, bounds.high_excluded ? "below" : "at most",
                     bounds.high),
         "");
}

bool TableValues::truth(const json& value, const char* what, const TablePlace& place) const {
  if (!value.is_boolean()) refuse(place, fmt::format("{} is {}, expected true or false", what, excerpt(value)), "");
  return value.get<bool>();
}

}  // namespace fer_ddp
