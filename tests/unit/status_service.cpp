// The service through its real client, over loopback.
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "fer_ddp/v1/status.grpc.pb.h"
#include "status/client.h"
#include "status/server.h"

namespace fer_ddp {

namespace {

EpochRecord epoch_record(int epoch, double val_loss, double val_accuracy) {
  return {.epoch = epoch, .loss = 1.5, .accuracy = 0.4, .val_loss = val_loss, .val_accuracy = val_accuracy, .learning_rate = 0.001, .seconds = 3, .images_per_second = 9000};
}

class Service : public ::testing::Test {
 protected:
  StatusBoard board_{{.run = "exp", .epochs = 50, .learning_rate = 0.001, .ranks = {{0, "node1", "cpu"}, {1, "node2", "cpu"}}}};
  StatusServer server_{"127.0.0.1:0", board_};
  StatusClient client_{server_.bound_address()};
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
  EXPECT_THAT(keys, ::testing::ElementsAre("run", "phase", "epoch", "epochs", "step", "steps_per_epoch", "learning_rate",
                                           "images_per_second", "world_size", "ranks", "stop_reason", "elapsed_seconds"));
  EXPECT_EQ(json["phase"], "PHASE_STARTING");
  EXPECT_EQ(json["epoch"], 0);
  EXPECT_EQ(json["world_size"], 2);
}

TEST_F(Service, AWatcherSeesTheLatestAndTheEnd) {
  std::promise<void> first_seen;
  auto watching = std::async(std::launch::async, [&] {
    std::vector<StatusSnapshot> seen;
    StatusClient(server_.bound_address()).watch(20, [&](const StatusClient::Answer& answer) {
      seen.push_back(answer.snapshot);
      if (seen.size() == 1) first_seen.set_value();
    });
    return seen;
  });
  first_seen.get_future().wait();
  for (int step = 1; step <= 100000; ++step) board_.update([step](StatusSnapshot& status) { status.step = step; });
  server_.stop();
  const std::vector<StatusSnapshot> seen = watching.get();
  EXPECT_EQ(seen.back().step, 100000);
  EXPECT_LT(seen.size(), 100U);
}

TEST_F(Service, AWatcherThatNeverReadsDoesNotHoldUpTheEnd) {
  const auto channel = grpc::CreateChannel(server_.bound_address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::TrainingStatus::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->WatchStatus(&context, {});
  stream->WaitForInitialMetadata();
  board_.update([](StatusSnapshot& status) { status.run = std::string(1 << 20, 'x'); });
  const auto start = std::chrono::steady_clock::now();
  server_.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  context.TryCancel();
}

TEST_F(Service, ManyWatchersAllSeeTheEnd) {
  constexpr int kWatchers = 200;
  const auto stub = v1::TrainingStatus::NewStub(grpc::CreateChannel(server_.bound_address(), grpc::InsecureChannelCredentials()));
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Status>>> streams;
  v1::Status message;
  for (int i = 0; i < kWatchers; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub->WatchStatus(contexts.back().get(), {}));
    ASSERT_TRUE(streams.back()->Read(&message));
  }
  board_.update([](StatusSnapshot& status) { status.phase = RunPhase::kDone; });
  auto stopping = std::async(std::launch::async, [&] { server_.stop(); });
  for (const auto& stream : streams) {
    while (stream->Read(&message)) {
    }
    EXPECT_EQ(message.phase(), v1::PHASE_DONE);
    stream->Finish();
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
  EXPECT_THROW(static_cast<void>(client_.status()), Error);
}

// The standard health service and reflection, asked by raw calls: their protos are not part of Debian's development files.
TEST_F(Service, HealthAndReflectionStandBesideIt) {
  const auto channel = grpc::CreateChannel(server_.bound_address(), grpc::InsecureChannelCredentials());
  for (const char* method : {"/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    const grpc::internal::RpcMethod rpc(method, grpc::internal::RpcMethod::NORMAL_RPC, channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    v1::GetStatusRequest empty;
    v1::StopTrainingResponse response;
    const grpc::Status status = grpc::internal::BlockingUnaryCall(channel.get(), rpc, &context, empty, &response);
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE) << method;
  }
}

}  // namespace

}  // namespace fer_ddp
