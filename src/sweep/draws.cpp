#include "sweep/draws.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "core/json_text.h"
#include "core/option_table.h"
#include "core/random.h"

namespace fer_ddp {

using nlohmann::ordered_json;

namespace {

// FNV-1a of 32 bits, folded to the 24 that a stream has room for.
uint32_t number_of(std::string_view key) {
  uint32_t hash = 2166136261U;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return (hash ^ hash >> 24U) & 0xFFFFFFU;
}

// In [0, 1), of 53 random bits.
double uniform(RandomStream& stream) {
  const uint64_t high = stream.next();
  const uint64_t bits = (high << 32U | stream.next()) >> 11U;
  return std::ldexp(static_cast<double>(bits), -53);
}

struct Ends {
  double low;
  double high;
};

// So far a whole number of that type is one of a double too, and the difference of two doubles is finite.
constexpr double kMostWhole = 9007199254740992;  // 2^53
constexpr double kMost = 1e300;

Ends ends_of(const ordered_json& json, bool logarithmic, double most, const std::string& where) {
  const bool is_pair = json.is_array() && json.size() == 2 && json[0].is_number() && json[1].is_number();
  if (!is_pair || json[0].get<double>() > json[1].get<double>())
    throw user_error(fmt::format("{} is {}, expected [LOW, HIGH]", where, json_text(json)));
  for (const ordered_json& end : json)
    if (std::abs(end.get<double>()) > most)
      throw user_error(fmt::format("{}: {} is too large a number to draw up to", where, json_text(end)),
                       fmt::format("Stay within {:.0e} of 0.", most));
  if (logarithmic && json[0].get<double>() <= 0)
    throw user_error(fmt::format("{} begins at {}, which has no logarithm", where, json_text(json[0])),
                     "Begin above 0, or draw by uniform.");
  return {json[0].get<double>(), json[1].get<double>()};
}

double rounded(double value) { return std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr); }

ordered_json whole(Ends ends, double share, bool logarithmic, const std::string& where) {
  const double low = std::ceil(ends.low);
  const double high = std::floor(ends.high);
  if (low > high) throw user_error(fmt::format("{} holds no whole number", where));
  const double value = logarithmic ? std::round(low * std::pow(high / low, share)) : low + share * (high - low + 1);
  return static_cast<int64_t>(std::clamp(std::floor(value), low, high));
}

}  // namespace

ordered_json draw_value(const ordered_json& range, const std::string& key, uint64_t seed, uint64_t draw,
                        const std::string& where) {
  constexpr const char* kForms = R"(Give {"uniform": [LOW, HIGH]}, {"log_uniform": [LOW, HIGH]} or {"choice": [...]}.)";
  if (!range.is_object() || range.size() != 1)
    throw user_error(fmt::format("{} is {}, expected one way to draw", where, json_text(range)), kForms);
  const std::string way = range.begin().key();
  const ordered_json& of = range.begin().value();
  const std::string place = fmt::format("{}: {}", where, way);
  RandomStream stream(seed, RandomPurpose::kSweep, number_of(key), draw);
  if (way == "choice") {
    if (!of.is_array() || of.empty()) throw user_error(fmt::format("{} is {}, expected a list", place, json_text(of)));
    return of[stream.next_below(static_cast<uint32_t>(of.size()))];
  }
  if (way != "uniform" && way != "log_uniform")
    throw user_error(fmt::format("{}: unknown way to draw \"{}\"", where, way), kForms);
  const std::string type = find_option(key, where).type_name();
  if (type != "number" && type != "integer")
    throw user_error(fmt::format("{}: {} is no number", place, key), "Draw it by choice.");
  const bool logarithmic = way == "log_uniform";
  const Ends ends = ends_of(of, logarithmic, type == "integer" ? kMostWhole : kMost, place);
  const double share = uniform(stream);
  if (type == "integer") return whole(ends, share, logarithmic, place);
  const double value =
      logarithmic ? ends.low * std::pow(ends.high / ends.low, share) : ends.low + share * (ends.high - ends.low);
  return std::clamp(rounded(value), ends.low, ends.high);
}

}  // namespace fer_ddp
