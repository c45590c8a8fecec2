// A checkpoint's state.json. What is taken says what the text says: no number was cut off to fit. Refusals are the
// machine's fault here, since nobody writes such a file by hand.
#include "train/checkpoint_state.h"

#include "core/json_reader.h"
#include "tests/fuzz/reader.h"

using namespace fer_ddp;

namespace {

using Json = nlohmann::ordered_json;

// Whether all that `part` says stands in `whole` as well.
bool is_within(const Json& part, const Json& whole) {
  if (part.is_array())
    return whole.is_array() && std::equal(part.begin(), part.end(), whole.begin(), whole.end(), is_within);
  if (!part.is_object()) return part == whole;
  for (const auto& [key, value] : part.items())
    if (!whole.contains(key) || !is_within(value, whole.at(key))) return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = text_of(data, size);
  CheckpointState state;
  try {
    state = parse_checkpoint_state(text, "state.json");
  } catch (const Error&) {
    return 0;
  }
  Json written = Json::parse(checkpoint_state_text(state));
  const Json read = Json::parse(text);
  for (const char* key : {"training", "decisions", "optimizer_steps"})
    require(is_within(written.at(key), read.at(key)), "the state is not what the text says");
  DecisionMaker decisions{Config{}};
  decisions.restore(state.decisions);
  static_cast<void>(decisions.decide(state.training.epoch, 1.0, state.training.learning_rate));
  return 0;
}
