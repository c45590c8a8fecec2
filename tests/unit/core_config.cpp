#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/config.h"
#include "core/error.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;

class ConfigFile : public ::testing::Test {
 protected:
  [[nodiscard]] Config load(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    const std::filesystem::path path = folder_.path() / "exp.json";
    std::ofstream(path) << text;
    return load_config(path, overrides);
  }

  [[nodiscard]] std::string error_of(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    try {
      static_cast<void>(load(text, overrides));
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.message();
    }
    return "no error";
  }

  TemporaryFolder folder_;
};

TEST_F(ConfigFile, AnEmptyObjectGivesTheDefaultsOfTheStudy) {
  const Config config = load("{}");
  EXPECT_EQ(config.learning_rate, 0.001);
  EXPECT_EQ(config.batch_size, 128);
  EXPECT_EQ(config.early_stopping_patience, 7);
  EXPECT_EQ(config.lr_patience, 5);
  EXPECT_EQ(config.name, "exp");
  EXPECT_EQ(config.output, "runs/exp");
}

TEST_F(ConfigFile, TheResolvedConfigurationReadsBackUnchanged) {
  const Config config =
      load(R"({"learning_rate": 0.01, "early_stopping_patience": null, "name": "a", "status_address": null})");
  const auto resolved = config_to_json(config);
  EXPECT_EQ(config_to_json(load(resolved.dump())), resolved);
}

TEST_F(ConfigFile, ATextThatIsNotUtf8IsRefusedByItsKey) {
  EXPECT_THAT(error_of("{}", {"output=\xff"}), HasSubstr("output is"));
  EXPECT_THAT(error_of("{}", {"split=\xff"}), HasSubstr("split is"));
  EXPECT_THAT(error_of("{}", {"status_token_file=\xff"}), HasSubstr("status_token_file is"));
}

TEST_F(ConfigFile, AFileNameThatIsNotUtf8NeedsANameForTheRun) {
  const std::filesystem::path path = folder_.path() / "\xff.json";
  std::ofstream(path) << "{}";
  EXPECT_THROW(static_cast<void>(load_config(path)), Error);
  EXPECT_EQ(load_config(path, {"name=named"}).output, "runs/named");
}

TEST_F(ConfigFile, AnUnknownKeyNamesTheNearestKnownOne) {
  const std::string message = error_of(R"({"learning_rat": 0.1})");
  EXPECT_THAT(message, HasSubstr("exp.json: unknown key \"learning_rat\""));
  EXPECT_THAT(message, HasSubstr("Did you mean \"learning_rate\"?"));
}

TEST_F(ConfigFile, AWrongTypeIsRefused) {
  EXPECT_THAT(error_of(R"({"epochs": "ten"})"), HasSubstr("epochs is \"ten\", expected a whole number at least 1"));
  EXPECT_THAT(error_of(R"({"epochs": 1.5})"), HasSubstr("epochs is 1.5"));
  EXPECT_THAT(error_of(R"({"shuffle": 1})"), HasSubstr("shuffle is 1, expected true or false"));
  EXPECT_THAT(error_of(R"({"learning_rate": null})"), HasSubstr("learning_rate is null"));
  EXPECT_THAT(error_of(R"({"input_shape": "48"})"), HasSubstr("input_shape"));
}

TEST_F(ConfigFile, AValueOutOfRangeIsRefused) {
  EXPECT_THAT(error_of(R"({"batch_size": 0})"), HasSubstr("batch_size is 0, expected a whole number at least 1"));
  EXPECT_THAT(error_of(R"({"batch_size": 99999999999})"), HasSubstr("batch_size"));
  EXPECT_THAT(error_of(R"({"lr_reduction_factor": 1})"), HasSubstr("above 0 and below 1"));
  EXPECT_THAT(error_of(R"({"random_seed": 9223372036854775808})"), HasSubstr("random_seed is 9223372036854775808"));
  EXPECT_THAT(error_of(R"({"input_shape": [4294967344, 48, 1]})"), HasSubstr("expected a list of whole numbers"));
  EXPECT_THAT(error_of(R"({"optimizer": "Adamm"})"), HasSubstr("Adam, AdamW, SGD or Muon"));
  EXPECT_THAT(error_of(R"({"input_shape": [48, 48, 3]})"), HasSubstr("[48,48,3]"));
}

TEST_F(ConfigFile, AugmentationsOutOfRangeAreRefusedByTheirKeys) {
  EXPECT_THAT(error_of(R"({"augment": "wild"})"), HasSubstr("augment is \"wild\", expected none, mild or full"));
  EXPECT_THAT(error_of(R"({"augment_flip": 1.5})"), HasSubstr("augment_flip is 1.5"));
  EXPECT_THAT(error_of(R"({"augment_scale": 1})"), HasSubstr("augment_scale is 1"));
  EXPECT_THAT(error_of(R"({"augment_shift": 49})"), HasSubstr("augment_shift is 49"));
  EXPECT_THAT(error_of(R"({"augment_mixup": -1})"), HasSubstr("augment_mixup is -1"));
  EXPECT_THAT(error_of(R"({"epochs": 3, "finish_epochs": 4})"), HasSubstr("finish_epochs is 4, more than epochs, 3"));
  EXPECT_EQ(load(R"({"augment_flip": null, "comment": "cost: an hour"})").augment_flip, std::nullopt);
}

TEST_F(ConfigFile, WhatIsNotAJsonObjectIsRefused) {
  EXPECT_THAT(error_of("{\"epochs\": 3,}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("[1]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of(R"({"epochs": 3, "epochs": 4})"), HasSubstr("given twice"));
}

TEST_F(ConfigFile, WhatIsNestedWithoutEndIsRefused) {
  const std::string deep(100'000, '[');
  EXPECT_THAT(error_of("{\"epochs\": " + deep), HasSubstr("nested more than 64 deep"));
  EXPECT_THAT(error_of("{}", {"epochs=" + deep}), HasSubstr("expected a whole number"));
}

TEST_F(ConfigFile, AMissingFileIsTheUsersMistake) {
  EXPECT_THROW(static_cast<void>(load_config(folder_.path() / "absent.json")), Error);
}

TEST_F(ConfigFile, TheLastOverrideWins) {
  const Config config = load(R"({"epochs": 3})", {"epochs=4", "epochs=5", "name=7", "early_stopping_patience=null"});
  EXPECT_EQ(config.epochs, 5);
  EXPECT_EQ(config.name, "7");
  EXPECT_FALSE(config.early_stopping_patience.has_value());
}

TEST_F(ConfigFile, AnOverrideIsCheckedLikeTheFile) {
  EXPECT_THAT(error_of("{}", {"epoch=5"}), HasSubstr("Did you mean \"epochs\"?"));
  EXPECT_THAT(error_of("{}", {"epochs"}), HasSubstr("expected key=value"));
  EXPECT_THAT(error_of("{}", {"epochs=0"}), HasSubstr("--set epochs=0"));
  EXPECT_THAT(error_of("{}", {"epochs=\xff"}), HasSubstr("epochs is \"\xEF\xBF\xBD\", expected"));
}

TEST_F(ConfigFile, AScheduleEndsTheRunUnlessTheFileSaysOtherwise) {
  const Config scheduled = load(R"({"schedule": "cosine"})");
  EXPECT_FALSE(scheduled.early_stopping_patience.has_value());
  EXPECT_FALSE(scheduled.lr_patience.has_value());
  EXPECT_FALSE(scheduled.restore_best_weights);
  const Config asked = load(R"({"schedule": "one_cycle", "lr_patience": 5})",
                            {"early_stopping_patience=7", "restore_best_weights=true"});
  EXPECT_EQ(asked.early_stopping_patience, 7);
  EXPECT_EQ(asked.lr_patience, 5);
  EXPECT_TRUE(asked.restore_best_weights);
  EXPECT_EQ(config_to_json(load(config_to_json(asked).dump())), config_to_json(asked));
}

TEST_F(ConfigFile, WhatAnOptimizerCannotDoIsRefused) {
  EXPECT_THAT(error_of(R"({"weight_decay": 0.1})"), HasSubstr("weight_decay is 0.1, but Adam has none"));
  EXPECT_THAT(error_of(R"({"optimizer": "SGD", "nesterov": true})"), HasSubstr("momentum is 0"));
}

// It meant nothing there, and was written all the same.
TEST_F(ConfigFile, ARunOfTheTimeBeforeSchedulesDecaysAsItDid) {
  auto old = config_to_json(load("{}"));
  old.erase("schedule");
  old["weight_decay"] = 0.004;
  for (const char* rule : {"Adam", "SGD", "AdamW"}) {
    old["optimizer"] = rule;
    EXPECT_FALSE(load(old.dump()).weight_decay.has_value()) << rule;
  }
  old["weight_decay"] = 0.01;
  EXPECT_EQ(load(old.dump()).weight_decay, 0.01);
  EXPECT_EQ(load(R"({"optimizer": "SGD", "weight_decay": 0.004})").weight_decay, 0.004);
}

TEST_F(ConfigFile, AScheduleThatNeverFallsIsRefused) {
  EXPECT_THAT(error_of(R"({"schedule": "cosine", "epochs": 5, "warm_up_epochs": 5})"),
              HasSubstr("warm_up_epochs is 5, but epochs is 5"));
  EXPECT_THAT(error_of(R"({"schedule": "cosine", "final_learning_rate": 0.1})"),
              HasSubstr("final_learning_rate is 0.1, above learning_rate, 0.001"));
}

TEST_F(ConfigFile, AListOfTextsMayBeOneText) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(load("{}").distill_from, Texts());
  EXPECT_EQ(load(R"({"distill_from": "runs/a"})").distill_from, Texts{"runs/a"});
  EXPECT_EQ(load(R"({"distill_from": ["runs/a", "b"]})").distill_from, (Texts{"runs/a", "b"}));
  EXPECT_EQ(load("{}", {"distill_from=runs/a"}).distill_from, Texts{"runs/a"});
  EXPECT_EQ(load("{}", {"distill_from=2024"}).distill_from, Texts{"2024"});
  EXPECT_EQ(load("{}", {R"(distill_from=["a", "b"])"}).distill_from, (Texts{"a", "b"}));
  EXPECT_EQ(load(R"({"distill_from": ["a"]})", {"distill_from=[]"}).distill_from, Texts());
  const Config listed = load(R"({"distill_from": "a"})");
  EXPECT_EQ(load(config_to_json(listed).dump()).distill_from, Texts{"a"});
  EXPECT_THAT(error_of(R"({"distill_from": [1]})"),
              HasSubstr("distill_from is [1], expected a text or a list of texts"));
  EXPECT_THAT(error_of(R"({"distill_from": null})"), HasSubstr("expected a text or a list of texts"));
  EXPECT_THAT(error_of(R"({"distill_from": ["a", ""]})"), HasSubstr("none of them empty"));
  EXPECT_THAT(error_of(R"({"distill_from": ""})"), HasSubstr("none of them empty"));
  EXPECT_THAT(error_of(R"({"distill_weight": 0})"), HasSubstr("distill_weight is 0, expected a number above 0"));
  EXPECT_THAT(error_of(R"({"distill_temperature": 0})"), HasSubstr("distill_temperature is 0"));
}

// Whoever adds, drops or renames a key changes what users' files may hold: it is to be meant.
TEST(ConfigSurface, TheKeysAreTheOnesAgreedOn) {
  std::vector<std::string> keys;
  const auto resolved = config_to_json(Config{});
  for (const auto& [key, value] : resolved.items()) keys.push_back(key);
  EXPECT_THAT(
      keys, ::testing::ElementsAre(
                "learning_rate", "loss", "epochs", "batch_size", "early_stopping_patience", "lr_patience",
                "lr_reduction_factor", "optimizer", "num_classes", "input_shape", "shuffle", "restore_best_weights",
                "monitor", "early_stopping_min_delta", "early_stopping_start_from_epoch", "lr_min_delta", "lr_cooldown",
                "min_learning_rate", "schedule", "warm_up_epochs", "final_learning_rate", "terminate_on_nan", "name",
                "output", "data", "split", "model", "dropout", "init", "batch_norm", "label_smoothing", "momentum",
                "nesterov", "weight_decay", "decay_biases", "gradient_clip_norm", "other_learning_rate",
                "other_momentum", "other_weight_decay", "average_weights", "random_seed", "augment", "augment_flip",
                "augment_rotation", "augment_scale", "augment_aspect", "augment_shift", "augment_contrast",
                "augment_brightness", "augment_erase_side", "augment_erase_share", "augment_mixup", "augment_cutmix",
                "finish_epochs", "distill_from", "distill_weight", "distill_temperature", "test_time_augmentation",
                "comment", "device", "precision", "convolutions", "gradient_all_reduce", "step", "cuda_graph",
                "threads", "collective_timeout_seconds", "checkpoint_every_epochs", "checkpoint_every_seconds",
                "keep_checkpoints", "status_address", "status_tls_certificate", "status_tls_key",
                "status_tls_client_ca", "status_token_file", "metrics_address", "metrics_in_the_clear"));
}

TEST(ConfigSurface, TheSchemaSaysWhatTheTableSays) {
  const auto schema = config_schema();
  EXPECT_EQ(schema["properties"]["optimizer"]["enum"].size(), 4U);
  EXPECT_EQ(schema["properties"]["early_stopping_patience"]["type"], (nlohmann::ordered_json{"integer", "null"}));
  EXPECT_EQ(schema["properties"]["learning_rate"]["exclusiveMinimum"], 0.0);
  EXPECT_EQ(schema["properties"]["input_shape"]["type"], "array");
  EXPECT_EQ(schema["properties"]["distill_from"]["type"], (nlohmann::ordered_json{"array", "string"}));
  EXPECT_EQ(schema["properties"]["distill_from"]["items"]["type"], "string");
  EXPECT_FALSE(schema["additionalProperties"].get<bool>());
}

}  // namespace

}  // namespace fer_ddp
