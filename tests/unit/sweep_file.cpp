// What a sweep file comes to, and what is said of one that is wrong.
#include "sweep/sweep_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

#include "core/error.h"
#include "sweep/draws.h"

namespace fer_ddp {

namespace {

using nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Sweep parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_sweep(text, "dir/lr.json", overrides);
}

std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    static_cast<void>(parse(text, overrides));
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    return error.message();
  }
  return "";
}

std::vector<std::string> names(const Sweep& sweep) {
  std::vector<std::string> found;
  for (const SweepRun& run : sweep.runs) found.push_back(run.name);
  return found;
}

TEST(SweepFile, AGridIsEveryPairOfItsValuesWithEverySeed) {
  const Sweep sweep = parse(
      R"({"base": {"data": "faces.csv", "epochs": 3}, "grid": {"learning_rate": [0.01, 0.001], "batch_size": [32, 64]},
          "seeds": [7, 8]})");
  EXPECT_EQ(sweep.name, "lr");
  EXPECT_EQ(sweep.output, "sweeps/lr");
  EXPECT_THAT(names(sweep),
              ElementsAre("000-s7", "000-s8", "001-s7", "001-s8", "002-s7", "002-s8", "003-s7", "003-s8"));
  const Config& config = sweep.runs[5].config;
  EXPECT_EQ(config.learning_rate, 0.001);
  EXPECT_EQ(config.batch_size, 32);
  EXPECT_EQ(config.random_seed, 8);
  EXPECT_EQ(config.epochs, 3);
  EXPECT_EQ(config.name, "002-s8");
  EXPECT_EQ(config.output, "sweeps/lr/runs/002-s8");
  EXPECT_EQ(setting_words(sweep.settings[2]), "learning_rate 0.001, batch_size 32");
}

TEST(SweepFile, AListIsItsSettingsAndNoneIsTheBaseAlone) {
  const Sweep list = parse(R"({"list": [{"optimizer": "SGD", "momentum": 0.9}, {}], "output": "out"})");
  EXPECT_THAT(names(list), ElementsAre("000", "001"));
  EXPECT_EQ(list.runs[0].config.optimizer, OptimizerRule::kSgd);
  EXPECT_EQ(list.runs[1].config.optimizer, OptimizerRule::kAdam);
  EXPECT_EQ(list.runs[1].config.output, "out/runs/001");
  EXPECT_THAT(names(parse(R"({"seeds": [0, 1, 2]})")), ElementsAre("000-s0", "000-s1", "000-s2"));
}

TEST(SweepFile, OverridesAreOfTheBaseAndGiveWayToSettings) {
  const Sweep sweep = parse(R"({"base": {"epochs": 3}, "grid": {"batch_size": [32]}})", {"epochs=5", "batch_size=99"});
  EXPECT_EQ(sweep.runs[0].config.epochs, 5);
  EXPECT_EQ(sweep.runs[0].config.batch_size, 32);
}

// What a base alone would be refused for may be what each setting mends.
TEST(SweepFile, RunsAreLookedAtAsAWhole) {
  EXPECT_EQ(refusal(R"({"base": {"optimizer": "SGD", "nesterov": true}, "grid": {"momentum": [0.9]}})"), "");
  EXPECT_THAT(refusal(R"({"base": {"optimizer": "SGD", "nesterov": true}, "grid": {"momentum": [0.9, 0]}})"),
              HasSubstr("dir/lr.json: run 001: nesterov is true, but momentum is 0"));
}

TEST(SweepFile, SettingsLeaveToAScheduleWhatARunAloneWould) {
  const Sweep sweep = parse(R"({"grid": {"schedule": ["constant", "cosine"]}})");
  EXPECT_TRUE(sweep.runs[0].config.early_stopping_patience.has_value());
  EXPECT_FALSE(sweep.runs[1].config.early_stopping_patience.has_value());
}

TEST(SweepFile, MistakesAreNamedBeforeAnythingStarts) {
  EXPECT_THAT(refusal(R"({"grid": {"learning_rat": [1]}})"),
              testing::AllOf(HasSubstr("dir/lr.json: unknown key \"learning_rat\""), HasSubstr("\"learning_rate\"?")));
  EXPECT_THAT(refusal(R"({"grid": {"batch_size": [32, "many"]}})"), HasSubstr("dir/lr.json: batch_size is \"many\""));
  EXPECT_THAT(refusal(R"({"grid": {"batch_size": [0]}})"), HasSubstr("batch_size is 0, expected"));
  EXPECT_THAT(refusal(R"({"grid": {"batch_size": 32}})"), HasSubstr("grid: batch_size is 32, expected a list"));
  EXPECT_THAT(refusal(R"({"grids": {}})"), HasSubstr("Did you mean \"grid\"?"));
  EXPECT_THAT(refusal(R"({"grid": {}, "list": []})"), HasSubstr("given together"));
  EXPECT_THAT(refusal(R"({"grid": {"name": ["a"]}})"), HasSubstr("name cannot be swept over"));
  EXPECT_THAT(refusal(R"({"grid": {"random_seed": [1]}, "seeds": [2]})"), HasSubstr("random_seed is swept over"));
  EXPECT_THAT(refusal(R"({"seeds": [1, 1]})"), HasSubstr("seeds is [1,1]"));
  EXPECT_THAT(refusal(R"({"base": {"epoch": 1}})"), HasSubstr("Did you mean \"epochs\"?"));
  EXPECT_THAT(refusal("{}", {"epochs=x"}), HasSubstr("--set epochs=x"));
  EXPECT_THAT(refusal(R"({"ranks_per_run": 0})"), HasSubstr("ranks_per_run is 0"));
  EXPECT_THAT(refusal(R"({"by": "loss"})"), HasSubstr("by is \"loss\", expected val_loss or val_accuracy"));
  EXPECT_THAT(refusal(R"({"name": "a/b"})"), HasSubstr("name is \"a/b\""));
  EXPECT_THAT(refusal(R"({"grid": {"batch_size": [1], "batch_size": [2]}})"), HasSubstr("given twice"));
  EXPECT_THAT(refusal(R"({"output": ""})"), HasSubstr("output is \"\", expected a folder"));
  EXPECT_THAT(refusal("[1"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(R"({"random": {"draws": 20000, "keys": {"dropout": {"uniform": [0, 1]}}}})"),
              HasSubstr("more than 10,000 runs"));
}

TEST(SweepFile, HalvingIsForRunsThatCanBeTrainedOn) {
  const Sweep sweep = parse(R"({"halving": {"epochs": [2, 4, 8], "keep": 0.25}, "grid": {"batch_size": [16, 32]}})");
  EXPECT_EQ(sweep.rungs(), 3U);
  EXPECT_EQ(sweep.config_of(1, 0).epochs, 2);
  EXPECT_EQ(sweep.runs[0].config.epochs, 8);
  EXPECT_THAT(refusal(R"({"halving": {"epochs": [4, 4]}})"), HasSubstr("expected a list of rising whole numbers"));
  EXPECT_THAT(refusal(R"({"halving": {"epochs": [4], "keep": 1}})"), HasSubstr("keep is 1"));
  EXPECT_THAT(refusal(R"({"halving": {"epochs": [4]}, "grid": {"epochs": [3]}})"), HasSubstr("epochs is swept over"));
  EXPECT_THAT(refusal(R"({"halving": {"epochs": [4]}, "base": {"schedule": "cosine"}})"),
              HasSubstr("run 000: halving trains a run on with more epochs, on which its schedule depends"));
}

TEST(SweepFile, ASweepIsReadBackAsItWasWritten) {
  const Sweep sweep = parse(
      R"({"base": {"data": "x", "status_address": null}, "random": {"draws": 3, "keys": {"dropout": {"uniform": [0, 0.5]}}},
          "seeds": [1, 2], "halving": {"epochs": [1, 2]}, "by": "val_accuracy", "groups": 2})");
  const ordered_json written = sweep_to_json(sweep);
  EXPECT_EQ(sweep_to_json(sweep_from_json(written, "sweep.json")), written);
}

TEST(SweepFile, AFolderGoesOnWithItsOwnSweepAlone) {
  const std::string text = R"({"grid": {"batch_size": [16, 32]}, "seeds": [1]})";
  const Sweep before = parse(text);
  EXPECT_NO_THROW(require_same_sweep(before, parse(text, {"threads=2", "epochs=99"})));
  EXPECT_NO_THROW(require_same_sweep(before, parse(R"({"grid": {"batch_size": [16, 32, 64]}, "seeds": [1, 2]})")));
  EXPECT_THROW(require_same_sweep(before, parse(text, {"learning_rate=0.5"})), Error);
  // The last ones of so many epochs are not those of more.
  EXPECT_THROW(require_same_sweep(parse(text, {"finish_epochs=1"}), parse(text, {"finish_epochs=1", "epochs=99"})),
               Error);
  EXPECT_THROW(require_same_sweep(before, parse(text, {"early_stopping_patience=99"})), Error);
  EXPECT_THROW(require_same_sweep(before, parse(R"({"grid": {"batch_size": [16]}, "seeds": [1]})")), Error);
  EXPECT_THROW(require_same_sweep(
                   before, parse(R"({"grid": {"batch_size": [16, 32]}, "seeds": [1], "halving": {"epochs": [1]}})")),
               Error);
}

std::string refusal_to_go_on(const Sweep& before, const Sweep& now) {
  try {
    require_same_sweep(before, now);
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    return error.message();
  }
  return "";
}

// Also in what a resumed run may change: the run's name would stand for another setting.
TEST(SweepFile, ARunKeepsItsSetting) {
  EXPECT_THAT(refusal_to_go_on(parse(R"({"list": [{"data": "A"}, {"data": "B"}]})"),
                               parse(R"({"list": [{"data": "B"}, {"data": "A"}]})")),
              HasSubstr(R"(its run 000 is of the setting {"data":"A"}, not {"data":"B"})"));
  EXPECT_NE(refusal_to_go_on(parse(R"({"grid": {"epochs": [1, 3]}})"), parse(R"({"grid": {"epochs": [3, 1]}})")), "");
  EXPECT_EQ(refusal_to_go_on(parse(R"({"list": [{"batch_size": 16, "epochs": 2}]})"),
                             parse(R"({"list": [{"epochs": 2, "batch_size": 16}, {}]})")),
            "");
}

TEST(SweepFile, ARunKeepsItsDataWhereverThatLies) {
  Sweep before = parse(R"({"base": {"data": "A"}})");
  Sweep now = parse(R"({"base": {"data": "B"}})");
  EXPECT_EQ(refusal_to_go_on(before, now), "");  // nothing is known of it
  before.runs[0].data_checksum = "1";
  EXPECT_EQ(refusal_to_go_on(before, now), "");
  now.runs[0].data_checksum = "1";
  EXPECT_EQ(refusal_to_go_on(before, now), "");
  now.runs[0].data_checksum = "2";
  EXPECT_THAT(refusal_to_go_on(before, now),
              HasSubstr("its run 000 is of other data (checksum 1) than B (checksum 2)"));
}

TEST(SweepFile, OverridesOfWhatTheSweepGivesAreRefused) {
  EXPECT_THAT(refusal(R"({"seeds": [1]})", {"random_seed=7"}),
              HasSubstr("--set random_seed=7: dir/lr.json says it by its seeds"));
  EXPECT_THAT(refusal(R"({"halving": {"epochs": [4]}})", {"epochs=7"}),
              HasSubstr("dir/lr.json says it by its halving"));
  EXPECT_EQ(refusal(R"({"halving": {"epochs": [4]}})", {"random_seed=7"}), "");
}

ordered_json draw(const std::string& range, const std::string& key, uint64_t number, uint64_t seed = 0) {
  return draw_value(ordered_json::parse(range), key, seed, number, "lr.json: " + key);
}

TEST(SweepDraws, AreAFunctionOfSeedNumberAndKey) {
  const std::string range = R"({"uniform": [0, 1]})";
  EXPECT_EQ(draw(range, "dropout", 3), draw(range, "dropout", 3));
  EXPECT_NE(draw(range, "dropout", 3), draw(range, "dropout", 4));
  EXPECT_NE(draw(range, "dropout", 3), draw(range, "dropout", 3, 1));
  EXPECT_NE(draw(range, "dropout", 3), draw(range, "momentum", 3));
  // What stands in sweep files of people must not change.
  EXPECT_EQ(draw(R"({"log_uniform": [0.0001, 0.1]})", "learning_rate", 0), 0.05432);
}

TEST(SweepDraws, OfALogarithmicRangeFallInEachDecadeAlike) {
  std::array<int, 3> decades{};
  for (uint64_t i = 0; i < 3000; ++i) {
    const double value = draw(R"({"log_uniform": [0.0001, 0.1]})", "learning_rate", i).get<double>();
    ASSERT_GE(value, 0.0001);
    ASSERT_LE(value, 0.1);
    ++decades[std::min<size_t>(2, static_cast<size_t>(std::log10(value) + 4))];
  }
  for (const int count : decades) EXPECT_NEAR(count, 1000, 120);
}

TEST(SweepDraws, OfWholeNumbersReachBothEnds) {
  for (const char* range : {R"({"uniform": [1, 4]})", R"({"log_uniform": [1, 4]})"}) {
    std::set<int64_t> seen;
    for (uint64_t i = 0; i < 200; ++i) {
      const ordered_json value = draw(range, "batch_size", i);
      ASSERT_TRUE(value.is_number_integer());
      seen.insert(value.get<int64_t>());
    }
    EXPECT_EQ(seen, (std::set<int64_t>{1, 2, 3, 4})) << range;
  }
}

TEST(SweepDraws, OfChoicesTakeEach) {
  std::set<std::string> seen;
  for (uint64_t i = 0; i < 100; ++i) seen.insert(draw(R"({"choice": ["SGD", "Adam", null]})", "optimizer", i).dump());
  EXPECT_EQ(seen.size(), 3U);
}

TEST(SweepDraws, ThatCannotBeMadeAreRefused) {
  const auto refused = [](const std::string& range, const std::string& key) {
    try {
      static_cast<void>(draw(range, key, 0));
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_THAT(refused(R"({"normal": [0, 1]})", "dropout"),
              HasSubstr("lr.json: dropout: unknown way to draw \"normal\""));
  EXPECT_THAT(refused(R"({"log_uniform": [0, 1]})", "dropout"), HasSubstr("begins at 0, which has no logarithm"));
  EXPECT_THAT(refused(R"({"uniform": [1, 0]})", "dropout"), HasSubstr("expected [LOW, HIGH]"));
  EXPECT_THAT(refused(R"({"uniform": [0, 1]})", "optimizer"), HasSubstr("optimizer is no number"));
  EXPECT_THAT(refused(R"({"choice": []})", "optimizer"), HasSubstr("expected a list"));
  EXPECT_THAT(refused(R"({"uniform": [-1e308, 1e308]})", "learning_rate"), HasSubstr("too large a number"));
  EXPECT_THAT(refused(R"({"log_uniform": [1, 1e30]})", "batch_size"), HasSubstr("too large a number"));
  EXPECT_THAT(refused("3", "dropout"), HasSubstr("expected one way to draw"));
}

}  // namespace

}  // namespace fer_ddp
