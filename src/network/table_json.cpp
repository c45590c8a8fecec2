#include "network/table_json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "core/error.h"

namespace fer_ddp {

using nlohmann::json;

std::string printable(std::string_view text, size_t most_characters) {
  std::string shown;
  for (const char character : text.substr(0, most_characters))
    shown += character >= ' ' && character <= '~' ? character : '?';
  if (text.size() > most_characters) shown += "...";
  return shown;
}

std::string excerpt(const json& value) {
  constexpr size_t kMostCharacters = 40;
  return printable(value.dump(-1, ' ', true, json::error_handler_t::replace), kMostCharacters);
}

namespace {

// Follows the parser and refuses what it would take: nesting without end, and the second of two equal keys.
class Watch {
 public:
  explicit Watch(const std::string& where) : where_(where) {}

  bool operator()(int, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      keys_.emplace_back();
      if (keys_.size() > static_cast<size_t>(kMostTableDepth))
        throw user_error(fmt::format("{}: nested more than {} deep", where_, kMostTableDepth),
                         "A residual within a residual is as deep as tables get.");
    }
    if (event == Event::object_end || event == Event::array_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second)
      throw user_error(fmt::format("{}: key {} is given twice in one object", where_, excerpt(parsed)),
                       "Keep one of them.");
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> keys_;  // of each object that is open; of an array, none
};

// "[json.exception.parse_error.101] parse error at line 1, column 2: ..." without its number and what follows at
// length.
std::string reason_of(const json::exception& failure) {
  constexpr size_t kMostCharacters = 160;
  std::string_view reason = failure.what();
  if (const size_t bracket = reason.find("] "); bracket != std::string_view::npos) reason.remove_prefix(bracket + 2);
  return printable(reason, kMostCharacters);
}

}  // namespace

json parse_table_json(std::string_view text, const std::string& where) {
  if (text.size() > kMostTableBytes)
    throw user_error(
        fmt::format("{}: {} bytes, a table of a network has at most {}", where, text.size(), kMostTableBytes),
        "Is this the right file?");
  if (text.find('\0') != std::string_view::npos)  // the parser would take it for the end
    throw user_error(where + ": not valid JSON: a byte of zeros", "Is this the right file?");
  try {
    Watch watch(where);
    return json::parse(
        text, [&watch](int depth, json::parse_event_t event, json& parsed) { return watch(depth, event, parsed); });
  } catch (const json::exception& failure) {
    throw user_error(fmt::format("{}: not valid JSON: {}", where, reason_of(failure)),
                     "JSON wants double quotes, and no comma before a } or ].");
  }
}

}  // namespace fer_ddp
