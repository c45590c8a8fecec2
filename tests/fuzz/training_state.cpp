// A checkpoint's state.json. What is taken says what the text says: no number was cut off to fit.
#include "train/training_state.h"

#include "core/json_reader.h"
#include "tests/fuzz/reader.h"
#include "train/decision_maker.h"

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
  try {
    const Json json = parse_json(text_of(data, size));
    const TrainingState state = state_from_json(json.at("training"));
    require(is_within(state_to_json(state), json.at("training")), "the state is not what the text says");
    DecisionMaker decisions{Config{}};
    decisions.restore(json.at("decisions"));
    require(is_within(decisions.state(), json.at("decisions")), "the callbacks' state is not what the text says");
    static_cast<void>(decisions.decide(state.epoch, 1.0, state.learning_rate));
  } catch (const Json::exception&) {
    return 0;
  }
  return 0;
}
