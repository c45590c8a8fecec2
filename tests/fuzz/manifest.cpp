// A manifest, as it is and with its own checksum made right, which is no secret. What is consistent reads back as
// itself.
#include "data/manifest.h"

#include "core/checksum.h"
#include "core/json_reader.h"
#include "tests/fuzz/reader.h"

using namespace fer_ddp;

namespace {

using Json = nlohmann::ordered_json;

std::string with_right_checksum(std::string_view text) {
  try {
    Json json = parse_json(text);
    if (!json.is_object()) return {};
    json.erase("checksum");
    json["checksum"] = checksum(json.dump());
    return json.dump();
  } catch (const Json::exception&) {
    return {};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = text_of(data, size);
  is_taken([&] { static_cast<void>(parse_manifest(text, "manifest.json")); });
  const std::string right = with_right_checksum(text);
  is_taken([&] {
    const Manifest manifest = parse_manifest(right, "manifest.json");
    require_consistent(manifest, "manifest.json");
    for (const Split split : kSplits) static_cast<void>(majority_share(manifest.class_counts[split]));
    require(parse_manifest(manifest_text(manifest), "manifest.json") == manifest, "does not read back as it was");
  });
  return 0;
}
