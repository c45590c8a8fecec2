#include "status/server.h"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>

#include "core/error.h"
#include "fer_ddp/v1/status.grpc.pb.h"
#include "status/address.h"
#include "status/grpc_log.h"
#include "status/messages.h"
#include "status/watchers.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::milliseconds kShutdownDeadline{800};
constexpr const char* kServiceName = "fer_ddp.v1.TrainingStatus";

grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

class Service final : public v1::TrainingStatus::CallbackService {
 public:
  explicit Service(StatusBoard& board) : board_(board), watchers_(board) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest*,
                                      v1::Status* response) override {
    fill_message(board_.snapshot(), *response);
    return answer(context);
  }

  grpc::ServerWriteReactor<v1::Status>* WatchStatus(grpc::CallbackServerContext*,
                                                    const v1::WatchStatusRequest* request) override {
    return watchers_.add(request->max_updates_per_second());
  }

  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context, const v1::GetHistoryRequest*,
                                       v1::History* response) override {
    fill_message(board_.history(), *response);
    return answer(context);
  }

  grpc::ServerUnaryReactor* StopTraining(grpc::CallbackServerContext* context, const v1::StopTrainingRequest*,
                                         v1::StopTrainingResponse*) override {
    board_.request_stop();
    return answer(context);
  }

  void finish_watchers() { watchers_.finish_all(); }

 private:
  StatusBoard& board_;
  Watchers watchers_;
};

}  // namespace

struct StatusServer::Parts {
  explicit Parts(StatusBoard& board) : service(board) {}

  Service service;
  std::unique_ptr<grpc::Server> server;  // gone before the service is
};

StatusServer::StatusServer(const std::string& address, StatusBoard& board) {
  require_loopback(address);
  quieten_grpc();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  parts_ = std::make_unique<Parts>(board);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a taken port is an error, not a second listener
  builder.RegisterService(&parts_->service);
  parts_->server = builder.BuildAndStart();
  if (!parts_->server || port == 0) {
    throw user_error(fmt::format("the status service cannot listen on {}", address),
                     "Is the port taken by another run? Port 0 takes any free one; status_address null switches the "
                     "service off.");
  }
  parts_->server->GetHealthCheckService()->SetServingStatus(kServiceName, true);
  bound_address_ = fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

StatusServer::~StatusServer() { stop(); }

void StatusServer::stop() noexcept {
  if (!parts_) return;
  parts_->server->GetHealthCheckService()->Shutdown();
  parts_->service.finish_watchers();
  // After the deadline every call still open is cancelled.
  parts_->server->Shutdown(std::chrono::system_clock::now() + kShutdownDeadline);
  parts_->server->Wait();
  parts_.reset();
}

}  // namespace fer_ddp
