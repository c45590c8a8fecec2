// The service through its real client, over loopback.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "fer_ddp/v1/status.grpc.pb.h"
#include "grpc_calls.h"
#include "status/client.h"
#include "status/server.h"

namespace fer_ddp {

namespace {

EpochRecord epoch_record(int epoch, double val_loss, double val_accuracy) {
  return {.epoch = epoch,
          .loss = 1.5,
          .accuracy = 0.4,
          .val_loss = val_loss,
          .val_accuracy = val_accuracy,
          .learning_rate = 0.001,
          .seconds = 3,
          .images_per_second = 9000};
}

class Service : public ::testing::Test {
 protected:
  StatusBoard board_{
      {.run = "exp", .epochs = 50, .learning_rate = 0.001, .ranks = {{0, "node1", "cpu"}, {1, "node2", "cpu"}}}};
  StatusServer server_{"127.0.0.1:0", board_};
  StatusClient client_{server_.bound_address()};
  std::shared_ptr<grpc::Channel> channel_ = direct_channel(server_.bound_address());
  std::unique_ptr<v1::TrainingStatus::Stub> stub_ = v1::TrainingStatus::NewStub(channel_);
};

TEST_F(Service, TellsWhatWasPublished) {
  board_.update([](StatusSnapshot& status) {
    status.phase = RunPhase::kEvaluating;
    status.epoch = 3;
    status.step = 7;
    status.loss = 1.25;
  });
  board_.set_history({epoch_record(0, 1.4, 0.5), epoch_record(1, 1.3, 0.45), epoch_record(2, 1.35, std::nan(""))});
  const StatusSnapshot status = client_.status().snapshot;
  EXPECT_EQ(status.run, "exp");
  EXPECT_EQ(status.phase, RunPhase::kEvaluating);
  EXPECT_EQ(status.epoch, 3);
  EXPECT_EQ(status.step, 7);
  EXPECT_EQ(status.loss, 1.25);
  EXPECT_FALSE(status.accuracy.has_value());
  EXPECT_EQ(status.latest_epoch->epoch, 2);
  EXPECT_TRUE(std::isnan(status.latest_epoch->val_accuracy));
  EXPECT_EQ(status.best_epoch_by_loss->epoch, 1);
  EXPECT_EQ(status.best_epoch_by_accuracy->epoch, 0);
  ASSERT_EQ(status.ranks.size(), 2U);
  EXPECT_EQ(status.ranks[1].host, "node2");
  EXPECT_EQ(client_.history().size(), 3U);
}

// What scripts parse: it is to be meant when it changes.
TEST_F(Service, TheJsonHasTheProtosOwnNamesAndDefaultValues) {
  const auto json = nlohmann::ordered_json::parse(client_.status().json);
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(keys,
              ::testing::ElementsAre("run", "phase", "epoch", "epochs", "step", "steps_per_epoch", "learning_rate",
                                     "images_per_second", "world_size", "ranks", "stop_reason", "elapsed_seconds"));
  EXPECT_EQ(json["phase"], "PHASE_STARTING");
  EXPECT_EQ(json["epoch"], 0);
  EXPECT_EQ(json["world_size"], 2);
}

// Watches on a thread of its own and keeps what it saw.
class WatchingClient {
 public:
  WatchingClient(const std::string& address, double updates_per_second)
      : seen_(std::async(std::launch::async, [this, address, updates_per_second] {
          std::vector<StatusSnapshot> seen;
          StatusClient(address).watch(updates_per_second, [&](const StatusClient::Answer& answer) {
            seen.push_back(answer.snapshot);
            latest_step_.store(answer.snapshot.step);
            latest_step_.notify_all();
          });
          return seen;
        })) {}

  void wait_for_step(int64_t step) {
    for (int64_t seen = latest_step_.load(); seen != step; seen = latest_step_.load()) latest_step_.wait(seen);
  }

  // All that was seen, once the stream has ended.
  std::vector<StatusSnapshot> seen() { return seen_.get(); }

 private:
  std::atomic<int64_t> latest_step_{-1};
  std::future<std::vector<StatusSnapshot>> seen_;
};

TEST_F(Service, AWatcherGetsTheLatestStatusAndNotEachOneBefore) {
  WatchingClient watcher(server_.bound_address(), 20);
  watcher.wait_for_step(0);
  for (int step = 1; step <= 100000; ++step) board_.update([step](StatusSnapshot& status) { status.step = step; });
  watcher.wait_for_step(100000);
  server_.stop();
  EXPECT_LT(watcher.seen().size(), 1000U);
}

TEST_F(Service, AWatcherGetsNoMoreThanItAskedForAndTheEndAtOnce) {
  WatchingClient watcher(server_.bound_address(), 0.01);
  watcher.wait_for_step(0);
  for (int step = 1; step <= 100000; ++step) board_.update([step](StatusSnapshot& status) { status.step = step; });
  board_.update([](StatusSnapshot& status) { status.stop_reason = "early_stopping"; });
  server_.stop();
  const std::vector<StatusSnapshot> seen = watcher.seen();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen.back().step, 100000);
  EXPECT_EQ(seen.back().stop_reason, "early_stopping");
}

TEST_F(Service, AnyRateThatAClientMaySendIsBorne) {
  for (const double rate : {-1.0, 1e-300, 1e300, std::nan(""), std::numeric_limits<double>::infinity()}) {
    v1::WatchStatusRequest request;
    request.set_max_updates_per_second(rate);
    grpc::ClientContext context;
    v1::Status message;
    EXPECT_TRUE(stub_->WatchStatus(&context, request)->Read(&message)) << rate;
  }
}

TEST_F(Service, AWatcherThatNeverReadsHoldsUpNeitherOthersNorTheEnd) {
  board_.update([](StatusSnapshot& status) { status.run = std::string(1 << 26, 'x'); });  // more than the way holds
  grpc::ClientContext context;
  const auto stream = stub_->WatchStatus(&context, {});
  stream->WaitForInitialMetadata();
  board_.update([](StatusSnapshot& status) { status.run = "short"; });
  EXPECT_EQ(client_.status().snapshot.run, "short");
  const auto start = std::chrono::steady_clock::now();
  server_.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(Service, AWatcherMayGoAway) {
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    v1::Status message;
    const auto stream = stub_->WatchStatus(&context, {});
    ASSERT_TRUE(stream->Read(&message));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_EQ(client_.status().snapshot.run, "exp");
}

// By default gRPC would close the connection on the third such question.
TEST_F(Service, AWatcherMayAskOftenWhetherTheRunIsStillThere) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 1100);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  const auto stub = v1::TrainingStatus::NewStub(
      grpc::CreateCustomChannel(server_.bound_address(), grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  v1::Status message;
  const auto stream = stub->WatchStatus(&context, {});
  ASSERT_TRUE(stream->Read(&message));
  std::this_thread::sleep_for(std::chrono::seconds(6));
  board_.update([](StatusSnapshot& status) { status.step = 1; });
  ASSERT_TRUE(stream->Read(&message)) << stream->Finish().error_message();
  EXPECT_EQ(message.step(), 1);
  context.TryCancel();
}

TEST_F(Service, ManyWatchersAllSeeTheEnd) {
  constexpr int kWatchers = 200;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Status>>> streams;
  v1::Status message;
  for (int i = 0; i < kWatchers; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub_->WatchStatus(contexts.back().get(), {}));
    ASSERT_TRUE(streams.back()->Read(&message));
  }
  board_.update([](StatusSnapshot& status) { status.phase = RunPhase::kDone; });
  auto stopping = std::async(std::launch::async, [&] { server_.stop(); });
  for (const auto& stream : streams) {
    while (stream->Read(&message)) {
    }
    EXPECT_EQ(message.phase(), v1::PHASE_DONE);
    const grpc::Status end = stream->Finish();
    EXPECT_TRUE(end.ok()) << end.error_code() << ": " << end.error_message();
  }
}

TEST_F(Service, PassesOnTheWishToStop) {
  EXPECT_FALSE(board_.stop_requested());
  client_.request_stop();
  EXPECT_TRUE(board_.stop_requested());
}

TEST_F(Service, ATakenPortIsTheUsersMistake) { EXPECT_THROW(StatusServer(server_.bound_address(), board_), Error); }

TEST_F(Service, AfterTheEndNobodyAnswers) {
  server_.stop();
  EXPECT_THROW(static_cast<void>(client_.status()), ServiceGone);
  EXPECT_THROW(client_.request_stop(), ServiceGone);
  EXPECT_THROW(client_.watch(1, [](const StatusClient::Answer&) {}), ServiceGone);
}

TEST_F(Service, MayBeStoppedTwice) {
  server_.stop();
  server_.stop();
}

TEST_F(Service, IsHealthyWhileItRunsAndNotWhenItIsAboutToEnd) {
  for (const std::string service : {"", "fer_ddp.v1.TrainingStatus"})
    EXPECT_EQ(health_of(channel_, service), "SERVING");
  server_.announce_end();
  for (const std::string service : {"", "fer_ddp.v1.TrainingStatus"})
    EXPECT_EQ(health_of(channel_, service), "NOT_SERVING");
  EXPECT_EQ(client_.status().snapshot.run, "exp");
}

TEST_F(Service, DescribesItselfByReflection) {
  const std::string list_services = "\x3a\x01*";  // field 7, a text
  std::string response;
  const grpc::Status status =
      call_bytes(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", list_services, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(response, ::testing::HasSubstr("fer_ddp.v1.TrainingStatus"));
}

}  // namespace

}  // namespace fer_ddp
