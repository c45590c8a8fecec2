#include "status/server.h"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <optional>

#include "core/error.h"
#include "fer_ddp/v1/status.grpc.pb.h"
#include "status/address.h"
#include "status/grpc_log.h"
#include "status/messages.h"
#include "status/secrets.h"
#include "status/watchers.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::milliseconds kShutdownDeadline{800};
// Streams end before their connections do: one that is closed while a client still sends on it is reset, and what that
// client has not read yet is lost.
constexpr std::chrono::milliseconds kWatchersPatience{400};
constexpr int kLeastPingInterval = 1000;  // milliseconds
constexpr const char* kServiceName = "fer_ddp.v1.TrainingStatus";

// Says whether a call may go on: OK, or why not.
class Guard {
 public:
  Guard(const std::string& address, const ServiceSecurity& security)
      : loopback_(is_loopback(parse_address("status_address", address))) {
    if (!security.token.empty()) token_.emplace(security.token);
  }

  [[nodiscard]] grpc::Status check(const grpc::CallbackServerContext& context) const {
    if (!token_) return grpc::Status::OK;
    const auto shown = context.client_metadata().find("authorization");
    if (shown == context.client_metadata().end())
      return {grpc::StatusCode::UNAUTHENTICATED, "a token is wanted (metadata \"authorization: Bearer TOKEN\")"};
    if (token_->allows({shown->second.data(), shown->second.size()})) return grpc::Status::OK;
    return {grpc::StatusCode::UNAUTHENTICATED, "this is not the token that is wanted"};
  }

  // What changes the run wants a token wherever others can reach it.
  [[nodiscard]] grpc::Status check_stop(const grpc::CallbackServerContext& context) const {
    if (!token_ && !loopback_)
      return {grpc::StatusCode::PERMISSION_DENIED, "a run with no status_token_file is stopped over loopback alone"};
    return check(context);
  }

 private:
  bool loopback_;
  std::optional<BearerToken> token_;
};

// A stream that ends before it began.
class RefusedStream final : public grpc::ServerWriteReactor<v1::Status> {
 public:
  explicit RefusedStream(const grpc::Status& why) { Finish(why); }
  void OnDone() override { delete this; }
};

class Service final : public v1::TrainingStatus::CallbackService {
 public:
  Service(StatusBoard& board, const Guard& guard) : board_(board), guard_(guard), watchers_(board) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest*,
                                      v1::Status* response) override {
    return answer(context, guard_.check(*context), [&] { fill_message(board_.snapshot(), *response); });
  }

  grpc::ServerWriteReactor<v1::Status>* WatchStatus(grpc::CallbackServerContext* context,
                                                    const v1::WatchStatusRequest* request) override {
    const grpc::Status verdict = guard_.check(*context);
    if (!verdict.ok()) return new RefusedStream(verdict);
    return watchers_.add(request->max_updates_per_second());
  }

  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context, const v1::GetHistoryRequest*,
                                       v1::History* response) override {
    return answer(context, guard_.check(*context), [&] { fill_message(board_.history(), *response); });
  }

  grpc::ServerUnaryReactor* StopTraining(grpc::CallbackServerContext* context, const v1::StopTrainingRequest*,
                                         v1::StopTrainingResponse*) override {
    return answer(context, guard_.check_stop(*context), [&] { board_.request_stop(); });
  }

  void finish_watchers() { watchers_.finish_all(kWatchersPatience); }

 private:
  template <typename Work>
  static grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, const grpc::Status& verdict,
                                          const Work& work) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    if (verdict.ok()) work();
    reactor->Finish(verdict);
    return reactor;
  }

  StatusBoard& board_;
  Guard guard_;
  Watchers watchers_;
};

std::shared_ptr<grpc::ServerCredentials> credentials_of(const ServiceSecurity& security) {
  if (!security.tls) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(security.tls->client_ca.empty()
                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = security.tls->client_ca;
  options.pem_key_cert_pairs.push_back({.private_key = security.tls->key, .cert_chain = security.tls->certificate});
  return grpc::SslServerCredentials(options);
}

}  // namespace

struct StatusServer::Parts {
  Parts(StatusBoard& board, const Guard& guard) : service(board, guard) {}

  Service service;
  std::unique_ptr<grpc::Server> server;  // gone before the service is
};

StatusServer::StatusServer(const std::string& address, StatusBoard& board, const ServiceSecurity& security) {
  require_guarded(address, security);
  quieten_grpc();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  parts_ = std::make_unique<Parts>(board, Guard(address, security));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, credentials_of(security), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a taken port is an error, not a second listener
  // Watchers ask whether the run is still there; gRPC takes more than one such question in five minutes for an attack.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastPingInterval);
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

void StatusServer::announce_end() {
  if (parts_) parts_->server->GetHealthCheckService()->Shutdown();
}

void StatusServer::stop() noexcept {
  if (!parts_) return;
  announce_end();
  parts_->service.finish_watchers();
  // After the deadline every call still open is cancelled.
  parts_->server->Shutdown(std::chrono::system_clock::now() + kShutdownDeadline);
  parts_->server->Wait();
  parts_.reset();
}

}  // namespace fer_ddp
