#include "core/json_reader.h"

#include <fmt/format.h>

#include <vector>

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kRefused = 501;  // nlohmann's number for errors of a kind of its users' own

// Counts brackets and colons outside texts. What is no JSON at all is for the parser to say.
void require_modest(std::string_view text) {
  std::vector<size_t> keys;  // of each object or list that is open
  bool in_text = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_text && c == '\\') ++at;
    if (c == '"') in_text = !in_text;
    if (in_text) continue;
    if (c == '{' || c == '[') keys.push_back(0);
    if (keys.size() > kDeepestJson)
      throw Json::other_error::create(kRefused, fmt::format("nested more than {} deep", kDeepestJson), nullptr);
    if ((c == '}' || c == ']') && !keys.empty()) keys.pop_back();
    if (c == ':' && !keys.empty() && ++keys.back() > kMostJsonKeys)
      throw Json::other_error::create(kRefused, fmt::format("an object of more than {} keys", kMostJsonKeys), nullptr);
  }
}

}  // namespace

Json parse_json(std::string_view text, const Json::parser_callback_t& callback) {
  require_modest(text);
  return Json::parse(text, callback);
}

}  // namespace fer_ddp
