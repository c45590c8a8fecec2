// What Prometheus gets of a run: names, values and labels of a snapshot, and when a sample is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <map>
#include <memory>

#include "core/error.h"
#include "status/address.h"
#include "status/metrics.h"
#include "status/metrics_server.h"
#include "status/socket.h"

namespace fer_ddp {

namespace {

StatusSnapshot third_epoch() {
  const EpochRecord best{.epoch = 0, .loss = 1.5, .accuracy = 0.4, .val_loss = 1.25, .val_accuracy = 0.5};
  const EpochRecord latest{
      .epoch = 1, .loss = 1.4, .accuracy = 0.45, .val_loss = 1.375, .val_accuracy = std::nan(""), .seconds = 3};
  return {.run = "exp",
          .phase = RunPhase::kTraining,
          .epoch = 2,
          .epochs = 50,
          .step = 7,
          .steps_per_epoch = 100,
          .learning_rate = 0.001,
          .loss = 1.125,
          .images_per_second = 9000,
          .ranks = {{0, "node1", "cpu"}, {1, "node2", "cpu"}},
          .latest_epoch = latest,
          .best_epoch_by_loss = best,
          .best_epoch_by_accuracy = best};
}

// {"name{label="value",...}": value}, without the label `run`.
std::map<std::string, double> samples_of(const StatusSnapshot& snapshot) {
  std::map<std::string, double> samples;
  for (const prometheus::MetricFamily& family : metric_families(Config{}, snapshot)) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      EXPECT_EQ(metric.label.front().name, "run");
      EXPECT_EQ(metric.label.front().value, "exp");
      std::string name = family.name;
      for (size_t i = 1; i < metric.label.size(); ++i)
        name += (i == 1 ? "{" : ",") + metric.label[i].name + "=" + metric.label[i].value;
      if (metric.label.size() > 1) name += "}";
      samples[name] = family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
    }
  }
  return samples;
}

TEST(RunMetrics, TellWhereTheRunIs) {
  const auto samples = samples_of(third_epoch());
  EXPECT_EQ(samples.at("fer_ddp_epoch"), 2);
  EXPECT_EQ(samples.at("fer_ddp_step"), 7);
  EXPECT_EQ(samples.at("fer_ddp_steps_total"), 207);
  EXPECT_EQ(samples.at("fer_ddp_epochs_total"), 2);
  EXPECT_EQ(samples.at("fer_ddp_learning_rate"), 0.001);
  EXPECT_EQ(samples.at("fer_ddp_images_per_second"), 9000);
  EXPECT_EQ(samples.at("fer_ddp_phase{phase=training}"), 1);
  EXPECT_EQ(samples.at("fer_ddp_phase{phase=done}"), 0);
  EXPECT_EQ(samples.at("fer_ddp_ranks"), 2);
  EXPECT_EQ(samples.at("fer_ddp_rank_info{rank=1,host=node2,device=cpu}"), 1);
  EXPECT_EQ(samples.at("fer_ddp_run_info{model=seed_cnn,optimizer=Adam,precision=fp32,batch_size=128}"), 1);
}

TEST(RunMetrics, TellTheLatestAndTheBestResultsOfBothSplits) {
  const auto samples = samples_of(third_epoch());
  EXPECT_EQ(samples.at("fer_ddp_running_loss"), 1.125);
  EXPECT_EQ(samples.at("fer_ddp_loss{split=train}"), 1.4);
  EXPECT_EQ(samples.at("fer_ddp_loss{split=validation}"), 1.375);
  EXPECT_EQ(samples.at("fer_ddp_accuracy_ratio{split=train}"), 0.45);
  EXPECT_EQ(samples.at("fer_ddp_best_loss{split=validation}"), 1.25);
  EXPECT_EQ(samples.at("fer_ddp_best_loss_epoch"), 0);
  EXPECT_EQ(samples.at("fer_ddp_best_accuracy_ratio{split=validation}"), 0.5);
}

TEST(RunMetrics, LeaveOutWhatIsNotKnown) {
  const auto samples = samples_of(third_epoch());
  EXPECT_FALSE(samples.contains("fer_ddp_running_accuracy_ratio"));
  EXPECT_FALSE(samples.contains("fer_ddp_remaining_seconds"));
  EXPECT_FALSE(samples.contains("fer_ddp_accuracy_ratio{split=validation}"));
}

// A resumed run stands at none of its counts yet; 0 would look like a reset.
TEST(RunMetrics, SayNothingOfStepsBeforeTheFirst) {
  const auto samples = samples_of({.run = "exp"});
  EXPECT_FALSE(samples.contains("fer_ddp_steps_total"));
  EXPECT_FALSE(samples.contains("fer_ddp_epoch"));
  EXPECT_EQ(samples.at("fer_ddp_phase{phase=starting}"), 1);
}

TEST(RunMetrics, AreNamedByPrometheusConventions) {
  for (const prometheus::MetricFamily& family : metric_families(Config{}, third_epoch())) {
    EXPECT_THAT(family.name, ::testing::MatchesRegex("fer_ddp_[a-z_]+"));
    EXPECT_EQ(family.name.ends_with("_total"), family.type == prometheus::MetricType::Counter) << family.name;
    EXPECT_FALSE(family.help.empty()) << family.name;
    EXPECT_FALSE(family.metric.empty()) << family.name;
  }
}

Config served_at(const std::string& address) {
  Config config;
  config.metrics_address = address;
  return config;
}

TEST(MetricsServer, StaysOnLoopbackUnlessItIsToldOtherwise) {
  EXPECT_NO_THROW(require_metrics_address(Config{}));
  EXPECT_NO_THROW(require_metrics_address(served_at("127.0.0.1:9464")));
  for (const char* address : {"0.0.0.0:9464", "node17:9464", "[::1]:9464", "127.0.0.1", "127.0.0.1:1,0.0.0.0:2"})
    EXPECT_THROW(require_metrics_address(served_at(address)), Error) << address;
  Config open = served_at("0.0.0.0:9464");
  open.metrics_in_the_clear = true;
  EXPECT_NO_THROW(require_metrics_address(open));
}

TEST(MetricsServer, ATakenPortIsTheUsersMistake) {
  const StatusBoard board({.run = "exp"});
  const MetricsServer first(served_at("localhost:0"), board);
  EXPECT_THAT(first.bound_address(), ::testing::MatchesRegex("localhost:[1-9][0-9]*"));
  EXPECT_THROW(MetricsServer(served_at(first.bound_address()), board), Error);
}

TEST(MetricsServer, AClientThatSaysNothingDoesNotHoldUpTheEnd) {
  const StatusBoard board({.run = "exp"});
  auto server = std::make_unique<MetricsServer>(served_at("127.0.0.1:0"), board);
  const HostAndPort address = parse_address("metrics_address", server->bound_address());
  const Socket silent(address.host, address.port, std::chrono::seconds(5));
  ASSERT_TRUE(silent.connected());
  const auto start = std::chrono::steady_clock::now();
  server.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace

}  // namespace fer_ddp
