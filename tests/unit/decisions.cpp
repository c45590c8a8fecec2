// Early stopping and the plateau against Keras' own decisions, and their edge cases one by one.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "train/checkpoint_state.h"
#include "train/decision_maker.h"

namespace fer_ddp {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Config config_of(const nlohmann::json& trace) {
  const auto& from = trace.at("config");
  Config config;
  config.epochs = from.at("epochs").get<int>();
  config.learning_rate = from.at("learning_rate").get<double>();
  config.monitor = *choice_of<Monitor>(from.at("monitor").get<std::string>());
  config.early_stopping_patience = from.at("early_stopping_patience").get<int>();
  config.early_stopping_min_delta = from.at("early_stopping_min_delta").get<double>();
  config.early_stopping_start_from_epoch = from.at("early_stopping_start_from_epoch").get<int>();
  config.lr_patience = from.at("lr_patience").get<int>();
  config.lr_reduction_factor = from.at("lr_reduction_factor").get<double>();
  config.lr_min_delta = from.at("lr_min_delta").get<double>();
  config.lr_cooldown = from.at("lr_cooldown").get<int>();
  config.min_learning_rate = from.at("min_learning_rate").get<double>();
  return config;
}

void expect_keras_decisions(const nlohmann::json& trace) {
  const Config config = config_of(trace);
  DecisionMaker decisions(config);
  double learning_rate = config.learning_rate;
  std::optional<int> stopped;
  std::optional<int> best;
  std::vector<double> rates;
  for (int epoch = 0; epoch < config.epochs && !stopped; ++epoch) {
    const EpochDecision decision =
        decisions.decide(epoch, trace.at("values").at(static_cast<size_t>(epoch)).get<double>(), learning_rate);
    rates.push_back(learning_rate);
    if (decision.is_best) best = epoch;
    if (decision.stop_reason == StopReason::kEarlyStopping) stopped = epoch;
    learning_rate = decision.next_learning_rate;
  }
  const auto optional_int = [](const nlohmann::json& json) {
    return json.is_null() ? std::nullopt : std::optional(json.get<int>());
  };
  EXPECT_EQ(stopped, optional_int(trace.at("stopped_epoch")));
  EXPECT_EQ(best, optional_int(trace.at("best_epoch")));
  const auto expected = trace.at("learning_rate").get<std::vector<double>>();
  ASSERT_EQ(rates.size(), expected.size());
  // Keras keeps its learning rate in fp32.
  for (size_t i = 0; i < rates.size(); ++i) EXPECT_NEAR(rates[i] / expected[i], 1.0, 1e-6) << "epoch " << i;
}

TEST(Decisions, AreThoseOfKerasOnAllRecordedTraces) {
  std::ifstream file(FER_DDP_GOLDEN_FOLDER "/callbacks.jsonl");
  int traces = 0;
  for (std::string line; std::getline(file, line); ++traces) {
    SCOPED_TRACE("trace " + std::to_string(traces));
    expect_keras_decisions(nlohmann::json::parse(line));
  }
  EXPECT_EQ(traces, 200);
}

TEST(EarlyStopping, AnEqualValueIsNotAnImprovement) {
  EarlyStopping early_stopping({.patience = 1}, MetricDirection::kMinimize);
  EXPECT_FALSE(early_stopping.observe(0, 1.0).stop);
  EXPECT_TRUE(early_stopping.observe(1, 1.0).stop);
}

TEST(EarlyStopping, AChangeOfExactlyMinDeltaIsNotAnImprovement) {
  EarlyStopping early_stopping({.patience = 1, .min_delta = 0.25}, MetricDirection::kMaximize);
  EXPECT_FALSE(early_stopping.observe(0, 0.5).stop);
  EXPECT_TRUE(early_stopping.observe(1, 0.75).stop);
}

TEST(EarlyStopping, PatienceZeroActsAsOne) {
  EarlyStopping early_stopping({.patience = 0}, MetricDirection::kMinimize);
  EXPECT_FALSE(early_stopping.observe(0, 1.0).stop);
  EXPECT_TRUE(early_stopping.observe(1, 2.0).stop);
}

TEST(EarlyStopping, ANanInTheFirstEpochIsKeptButCanBeBeaten) {
  EarlyStopping early_stopping({.patience = 3}, MetricDirection::kMinimize);
  EXPECT_TRUE(early_stopping.observe(0, kNan).is_best);
  EXPECT_TRUE(early_stopping.observe(1, 5.0).is_best);
  EXPECT_FALSE(early_stopping.observe(2, kNan).is_best);
}

TEST(EarlyStopping, InfinityCountsAsAValue) {
  EarlyStopping early_stopping({.patience = 3}, MetricDirection::kMinimize);
  EXPECT_TRUE(early_stopping.observe(0, kInfinity).is_best);
  EXPECT_TRUE(early_stopping.observe(1, 1e300).is_best);
  EXPECT_TRUE(early_stopping.observe(2, -kInfinity).is_best);
}

TEST(EarlyStopping, AMissingMetricIsPassedOver) {
  EarlyStopping early_stopping({.patience = 1}, MetricDirection::kMinimize);
  EXPECT_FALSE(early_stopping.observe(0, std::nullopt).is_best);
  EXPECT_TRUE(early_stopping.observe(1, 1.0).is_best);
  EXPECT_FALSE(early_stopping.observe(2, std::nullopt).stop);
}

TEST(EarlyStopping, WithoutPatienceItMarksTheBestAndNeverStops) {
  EarlyStopping early_stopping({.patience = std::nullopt}, MetricDirection::kMinimize);
  EXPECT_TRUE(early_stopping.observe(0, 1.0).is_best);
  for (int epoch = 1; epoch < 100; ++epoch) EXPECT_FALSE(early_stopping.observe(epoch, 2.0).stop);
}

TEST(Plateau, FiresWhenTheWaitReachesThePatience) {
  Plateau plateau({.patience = 2, .factor = 0.5}, MetricDirection::kMinimize);
  EXPECT_EQ(plateau.observe(1.0, 0.1), 0.1);
  EXPECT_EQ(plateau.observe(1.0, 0.1), 0.1);
  EXPECT_EQ(plateau.observe(1.0, 0.1), 0.05);
}

TEST(Plateau, NeverGoesBelowTheLowestRate) {
  Plateau plateau({.patience = 1, .factor = 0.1, .min_learning_rate = 0.02}, MetricDirection::kMinimize);
  EXPECT_EQ(plateau.observe(1.0, 0.1), 0.1);
  EXPECT_EQ(plateau.observe(1.0, 0.1), 0.02);
  EXPECT_EQ(plateau.observe(1.0, 0.02), 0.02);
}

TEST(Plateau, TheCooldownIsNotCounted) {
  Plateau plateau({.patience = 1, .factor = 0.5, .cooldown = 2}, MetricDirection::kMinimize);
  EXPECT_EQ(plateau.observe(1.0, 1.0), 1.0);
  EXPECT_EQ(plateau.observe(1.0, 1.0), 0.5);
  EXPECT_EQ(plateau.observe(1.0, 0.5), 0.5);  // cooling down
  EXPECT_EQ(plateau.observe(1.0, 0.5), 0.25);
}

TEST(Decisions, StateGoesThroughJsonUnchanged) {
  Config config;
  config.early_stopping_patience = 4;
  config.lr_patience = 2;
  DecisionMaker whole(config);
  DecisionMaker first_half(config);
  const std::vector<double> values = {1.0, kNan, 0.9, 0.95, 0.97, 0.93, 0.99, 1.0};
  double rate = 0.1;
  double resumed_rate = 0.1;
  for (int epoch = 0; epoch < 4; ++epoch) {
    rate = whole.decide(epoch, values[static_cast<size_t>(epoch)], rate).next_learning_rate;
    resumed_rate = first_half.decide(epoch, values[static_cast<size_t>(epoch)], resumed_rate).next_learning_rate;
  }
  DecisionMaker resumed(config);
  const CheckpointState written{.training = {}, .decisions = first_half.state(), .optimizer_steps = 0};
  resumed.restore(parse_checkpoint_state(checkpoint_state_text(written), "state.json").decisions);
  for (int epoch = 4; epoch < 8; ++epoch) {
    const EpochDecision expected = whole.decide(epoch, values[static_cast<size_t>(epoch)], rate);
    const EpochDecision decision = resumed.decide(epoch, values[static_cast<size_t>(epoch)], resumed_rate);
    EXPECT_EQ(decision.stop, expected.stop);
    EXPECT_EQ(decision.is_best, expected.is_best);
    EXPECT_EQ(decision.next_learning_rate, expected.next_learning_rate);
    rate = expected.next_learning_rate;
    resumed_rate = decision.next_learning_rate;
  }
}

}  // namespace

}  // namespace fer_ddp
