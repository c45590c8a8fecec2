#include "train/checkpoint_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace fer_ddp {

namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Two epochs and three steps, with numbers that JSON has no digits for.
CheckpointState made_state() {
  CheckpointState state;
  TrainingState& training = state.training;
  training.epoch = 2;
  training.step = 3;
  training.learning_rate = 1.0 / 3;
  training.progress = {.loss = 2.5, .correct = 7, .images = 24, .training_seconds = 0.25, .seconds = 0.5};
  training.best_epoch = 1;
  training.earlier_seconds = 12.5;
  training.history = {{.epoch = 0, .loss = std::nan(""), .images_per_second = kInfinity},
                      {.epoch = 1, .loss = -kInfinity, .val_loss = 0.1}};
  state.decisions = {.early_stopping = {.best = 0.1, .weights_kept = true, .wait = 1},
                     .plateau = {.best = std::nullopt, .wait = 2, .cooldown_left = 3}};
  state.optimizer_steps = 27;
  state.data_checksum = "0123";
  state.network = "4567";
  return state;
}

std::string refusal(const std::string& text) {
  try {
    (void)parse_checkpoint_state(text, "run/state.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

// The made state with the value at `pointer` replaced.
std::string with(const char* pointer, const Json& value) {
  Json document = Json::parse(checkpoint_state_text(made_state()));
  document[Json::json_pointer(pointer)] = value;
  return document.dump();
}

TEST(CheckpointState, IsReadBackBitByBit) {
  const std::string text = checkpoint_state_text(made_state());
  const CheckpointState state = parse_checkpoint_state(text, "state.json");
  EXPECT_EQ(checkpoint_state_text(state), text);
  EXPECT_EQ(state.training.learning_rate, 1.0 / 3);
  EXPECT_TRUE(std::isnan(state.training.history[0].loss));
  EXPECT_EQ(state.training.history[1].loss, -kInfinity);
  EXPECT_EQ(state.decisions.plateau.cooldown_left, 3);
  EXPECT_EQ(state.data_checksum, "0123");
  EXPECT_EQ(state.network, "4567");
}

TEST(CheckpointState, NamesTeachersWhereThereAreAny) {
  CheckpointState state = made_state();
  EXPECT_FALSE(Json::parse(checkpoint_state_text(state)).contains("teachers"));
  EXPECT_FALSE(parse_checkpoint_state(checkpoint_state_text(state), "state.json").teachers.has_value());
  state.teachers = "89ab";
  EXPECT_EQ(parse_checkpoint_state(checkpoint_state_text(state), "state.json").teachers, "89ab");
  EXPECT_THAT(refusal(with("/teachers", 3)), HasSubstr("teachers is 3, expected a text"));
}

TEST(CheckpointState, HoldsWhatADeviceHasChosen) {
  CheckpointState state = made_state();
  EXPECT_FALSE(Json::parse(checkpoint_state_text(state)).contains("device_choices"));
  EXPECT_FALSE(parse_checkpoint_state(checkpoint_state_text(state), "state.json").device_choices.has_value());
  state.device_choices = "NVIDIA H100, fp32\nforward 48x48x64 to 48x48x64, 3x3 by 1";
  EXPECT_EQ(parse_checkpoint_state(checkpoint_state_text(state), "state.json").device_choices, state.device_choices);
  EXPECT_THAT(refusal(with("/device_choices", 3)), HasSubstr("device_choices is 3, expected a text"));
}

TEST(CheckpointState, NamesTheEpochsWhoseWeightsAreKept) {
  CheckpointState state = made_state();
  EXPECT_FALSE(parse_checkpoint_state(checkpoint_state_text(state), "state.json").kept.has_value());
  state.kept = KeptEpochs{.lowest_loss = 1, .highest_accuracy = std::nullopt};
  const std::string text = checkpoint_state_text(state);
  const CheckpointState read = parse_checkpoint_state(text, "state.json");
  EXPECT_EQ(checkpoint_state_text(read), text);
  EXPECT_EQ(read.kept->lowest_loss, 1);
  EXPECT_FALSE(read.kept->highest_accuracy.has_value());
  Json document = Json::parse(text);
  document["kept_epochs"]["lowest_loss"] = 2;
  EXPECT_EQ(refusal(document.dump()),
            "run/state.json: kept_epochs.lowest_loss is 2, expected a whole number from 0 to 1");
  document["kept_epochs"].erase("lowest_loss");
  EXPECT_EQ(refusal(document.dump()), "run/state.json: kept_epochs.lowest_loss is missing");
}

TEST(CheckpointState, OfFormat1HasNoChecksumOfTheData) {
  Json document = Json::parse(checkpoint_state_text(made_state()));
  document["format_version"] = 1;
  document.erase("data_checksum");
  const CheckpointState state = parse_checkpoint_state(document.dump(), "state.json");
  EXPECT_FALSE(state.data_checksum.has_value());
  EXPECT_EQ(state.training.step, 3);
}

TEST(CheckpointState, OfANewerFormatIsTheUsersMistake) {
  try {
    (void)parse_checkpoint_state(with("/format_version", 3), "run/state.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    EXPECT_STREQ(error.what(), "run/state.json: has format version 3, this fer-ddp reads up to 2");
  }
}

TEST(CheckpointState, NamesTheKeyThatIsNotAsItIsWritten) {
  EXPECT_EQ(refusal(with("/training/epoch", -1)),
            "run/state.json: training.epoch is -1, expected a whole number from 0 to 1000000000");
  EXPECT_EQ(refusal(with("/training/stop_reason", 99)),
            "run/state.json: training.stop_reason is 99, expected a stop reason");
  EXPECT_EQ(refusal(with("/training/learning_rate", "nan")),
            "run/state.json: training.learning_rate is \"nan\", expected a finite number, at least 0");
  EXPECT_EQ(refusal(with("/training/history", Json::array())),
            "run/state.json: training.history has 0 epochs, expected 2");
  EXPECT_EQ(refusal(with("/decisions/plateau", 4)), "run/state.json: decisions.plateau is 4, expected an object");
}

TEST(CheckpointState, RefusesEveryValueOutOfRange) {
  const Json huge = std::numeric_limits<uint64_t>::max();
  const std::vector<std::pair<const char*, Json>> cases = {
      {"/format_version", 0},
      {"/format_version", "1"},
      {"/training/epoch", 1.5},
      {"/training/epoch", huge},
      {"/training/epoch", 3},
      {"/training/step", -1},
      {"/training/step", huge},
      {"/training/learning_rate", "inf"},
      {"/training/learning_rate", -0.5},
      {"/training/learning_rate", "fast"},
      {"/training/progress", Json::array()},
      {"/training/progress/correct", 25},
      {"/training/progress/images", -24},
      {"/training/progress/training_seconds", nullptr},
      {"/training/best_epoch", 2},
      {"/training/best_epoch", -1},
      {"/training/stop_reason", -1},
      {"/training/stop_reason", 1e300},
      {"/training/earlier_seconds", "nan"},
      {"/training/history", Json::object()},
      {"/training/history/1", "an epoch"},
      {"/training/history/1/epoch", 0},
      {"/training/history/0/val_loss", "low"},
      {"/decisions/early_stopping/wait", -1},
      {"/decisions/early_stopping/weights_kept", 1},
      {"/decisions/plateau/best", true},
      {"/optimizer_steps", -1},
      {"/data_checksum", 7},
      {"/network", 7},
  };
  for (const auto& [pointer, value] : cases)
    EXPECT_THAT(refusal(with(pointer, value)), HasSubstr("run/state.json: ")) << pointer << " " << value.dump();
}

TEST(CheckpointState, RefusesWhatIsNoDocument) {
  for (const std::string& text : {std::string(), std::string("{"), std::string("3"), std::string("[]"),
                                  std::string("{}"), std::string("\xff\xfe"), std::string(100000, '[')})
    EXPECT_THAT(refusal(text), HasSubstr("run/state.json: "));
  const std::string whole = checkpoint_state_text(made_state());
  for (size_t length = 0; length + 2 < whole.size(); length += 7)
    EXPECT_THAT(refusal(whole.substr(0, length)), HasSubstr("run/state.json: is not JSON"));
}

}  // namespace

}  // namespace fer_ddp
