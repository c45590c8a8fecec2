#include "status/server.h"

#include <fmt/format.h>
#include <grpcpp/alarm.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

#include "core/error.h"
#include "fer_ddp/v1/status.grpc.pb.h"
#include "status/address.h"
#include "status/messages.h"

namespace fer_ddp {

namespace {

using Clock = std::chrono::system_clock;  // what grpc::Alarm counts by

constexpr double kUsualUpdatesPerSecond = 2.0;
constexpr double kMostUpdatesPerSecond = 20.0;
constexpr std::chrono::milliseconds kShutdownDeadline{800};

// One watcher. It looks at the board when its alarm rings, and writes only what has changed and only when the last write is through:
// a slow client costs one message of memory, and the trainer nothing.
class Watcher final : public grpc::ServerWriteReactor<v1::Status> {
 public:
  Watcher(const StatusBoard& board, const std::atomic<bool>& stopping, double updates_per_second)
      : board_(board), stopping_(stopping), interval_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1.0 / updates_per_second))) {
    look();
  }

  void OnWriteDone(bool ok) override {
    if (!ok || last_written_) return finish_once();
    wait();
  }
  // Seen when the alarm next rings: an alarm must not be cancelled while another thread sets it.
  void OnCancel() override { cancelled_.store(true); }
  void OnDone() override { delete this; }

 private:
  void look() {
    if (cancelled_.load()) return finish_once();
    const bool stopping = stopping_.load();
    const uint64_t version = board_.version();
    if (version == seen_ && !stopping) return wait();
    seen_ = version;
    last_written_ = stopping;
    fill_message(board_.snapshot(), message_);
    StartWrite(&message_);
  }

  void wait() {
    // While the server shuts down, the last snapshot goes out at once.
    const auto pause = stopping_.load() ? Clock::duration::zero() : std::min<Clock::duration>(interval_, kLongestPause);
    waited_ += pause;
    alarm_.Set(Clock::now() + pause, [this](bool) { rang(); });
  }

  // Long intervals are slept in pieces, so that a stop is seen within a shutdown's deadline.
  void rang() {
    if (waited_ < interval_ && !stopping_.load() && !cancelled_.load()) return wait();
    waited_ = Clock::duration::zero();
    look();
  }

  void finish_once() {
    if (!finished_.exchange(true)) Finish(cancelled_.load() ? grpc::Status::CANCELLED : grpc::Status::OK);
  }

  static constexpr std::chrono::milliseconds kLongestPause{500};

  const StatusBoard& board_;
  const std::atomic<bool>& stopping_;
  Clock::duration interval_;
  Clock::duration waited_{};
  uint64_t seen_ = 0;
  bool last_written_ = false;
  v1::Status message_;
  grpc::Alarm alarm_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> finished_{false};
};

grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace

class StatusServer::Service final : public v1::TrainingStatus::CallbackService {
 public:
  explicit Service(StatusBoard& board) : board_(board) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest*, v1::Status* response) override {
    fill_message(board_.snapshot(), *response);
    return answer(context);
  }

  grpc::ServerWriteReactor<v1::Status>* WatchStatus(grpc::CallbackServerContext*, const v1::WatchStatusRequest* request) override {
    const double asked = request->max_updates_per_second();
    return new Watcher(board_, stopping_, asked > 0 ? std::min(asked, kMostUpdatesPerSecond) : kUsualUpdatesPerSecond);
  }

  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context, const v1::GetHistoryRequest*, v1::History* response) override {
    fill_message(board_.history(), *response);
    return answer(context);
  }

  grpc::ServerUnaryReactor* StopTraining(grpc::CallbackServerContext* context, const v1::StopTrainingRequest*,
                                         v1::StopTrainingResponse*) override {
    board_.request_stop();
    return answer(context);
  }

  void stop_watchers() { stopping_.store(true); }

 private:
  StatusBoard& board_;
  std::atomic<bool> stopping_{false};
};

struct StatusServer::Parts {
  explicit Parts(StatusBoard& board) : service(board) {}
  Service service;
  std::unique_ptr<grpc::Server> server;
};

StatusServer::StatusServer(const std::string& address, StatusBoard& board) : parts_(new Parts(board)) {
  require_loopback(address);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a taken port is an error, not a second listener
  builder.RegisterService(&parts_->service);
  parts_->server = builder.BuildAndStart();
  if (!parts_->server || port == 0) {
    throw user_error(fmt::format("the status service cannot listen on {}", address),
                     "Is the port taken by another run? Port 0 takes any free one; status_address null switches the service off.");
  }
  bound_address_ = fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

void StatusServer::PartsDeleter::operator()(Parts* parts) const { delete parts; }

void StatusServer::stop() noexcept {
  if (!parts_->server) return;
  if (grpc::HealthCheckServiceInterface* health = parts_->server->GetHealthCheckService()) health->Shutdown();
  parts_->service.stop_watchers();
  // After the deadline every call still open is cancelled.
  parts_->server->Shutdown(Clock::now() + kShutdownDeadline);
  parts_->server->Wait();
  parts_->server.reset();
}

}  // namespace fer_ddp
