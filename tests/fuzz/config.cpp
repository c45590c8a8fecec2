// A configuration file and, after zero bytes, --set options. What is taken reads back as itself.
#include "core/config.h"

#include "tests/fuzz/reader.h"

using namespace fer_ddp;

namespace {

std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\0', begin), text.size());
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return pieces;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> pieces = pieces_of(text_of(data, size));
  const std::string text = pieces.front();
  pieces.erase(pieces.begin());
  is_taken([&] {
    const auto resolved = config_to_json(parse_config(text, "fuzz.json", pieces));
    if (!pieces.empty()) return;  // which may hold texts that are no UTF-8
    require(config_to_json(parse_config(resolved.dump(), "fuzz.json")) == resolved, "does not read back as it was");
  });
  return 0;
}
