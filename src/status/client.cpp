#include "status/client.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <mutex>

#include "fer_ddp/v1/status.grpc.pb.h"
#include "status/address.h"
#include "status/grpc_log.h"
#include "status/messages.h"
#include "status/secrets.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::seconds kDeadline{5};
// A host that vanishes closes no connection: who watches finds out by asking. A busy run may be slow to answer.
constexpr std::chrono::seconds kAsksAfter{10};
constexpr std::chrono::seconds kWaitsForAnswer{20};

int milliseconds_of(std::chrono::milliseconds time) { return static_cast<int>(time.count()); }

std::shared_ptr<grpc::Channel> open_channel(const std::string& address, const ServiceAccess& access) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // a proxy of the surroundings knows nothing of loopback
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds_of(kAsksAfter));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds_of(kWaitsForAnswer));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // any number: a paused run sends none for long
  if (!access.tls) return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  if (!access.tls->server_name.empty()) arguments.SetSslTargetNameOverride(access.tls->server_name);
  return grpc::CreateCustomChannel(address,
                                   grpc::SslCredentials({.pem_root_certs = access.tls->ca,
                                                         .pem_private_key = access.tls->key,
                                                         .pem_cert_chain = access.tls->certificate}),
                                   arguments);
}

}  // namespace

struct StatusClient::Parts {
  HostAndPort address;
  ServiceAccess access;
  std::unique_ptr<v1::TrainingStatus::Stub> stub;
  std::mutex mutex{};
  bool ended = false;                       // by end_watch()
  grpc::ClientContext* watching = nullptr;  // of the stream that is being read

  // False: it is not to be watched any more.
  bool begin_watch(grpc::ClientContext& context) {
    const std::lock_guard lock(mutex);
    watching = ended ? nullptr : &context;
    return !ended;
  }

  // True where it was ended from outside.
  bool finish_watch() {
    const std::lock_guard lock(mutex);
    watching = nullptr;
    return ended;
  }

  void show_token(grpc::ClientContext& context) const {
    if (!access.token.empty()) context.AddMetadata("authorization", bearer_authorization(access.token));
  }

  void prepare(grpc::ClientContext& context) const {
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    show_token(context);
  }

  void check(const grpc::Status& status) const {
    const std::string where = address_text(address);
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        return;
      case grpc::StatusCode::UNAVAILABLE:
        explain_unreachable(address, access);
      case grpc::StatusCode::UNAUTHENTICATED:
        throw user_error(fmt::format("{} refused: {}", where, status.error_message()),
                         "Give --token-file FILE, whose first line is that of the run's status_token_file.");
      case grpc::StatusCode::PERMISSION_DENIED:
        throw user_error(fmt::format("{} refused: {}", where, status.error_message()));
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        throw machine_error(fmt::format("{} did not answer within {} s", where, kDeadline.count()));
      default:
        throw machine_error(fmt::format("{} answered with an error: {} (gRPC status {})", where, status.error_message(),
                                        static_cast<int>(status.error_code())));
    }
  }
};

StatusClient::StatusClient(const std::string& address, const ServiceAccess& access)
    : parts_(std::make_unique<Parts>()) {
  parts_->address = parse_address("ADDRESS", address);
  parts_->access = access;
  if (!access.token.empty() && !access.tls && !is_loopback(parts_->address))
    throw user_error(fmt::format("a token would go to {} in the clear", address),
                     "Give --ca FILE, for TLS, or reach the service by ssh -L on loopback.");
  quieten_grpc();
  parts_->stub = v1::TrainingStatus::NewStub(open_channel(address, access));
}

StatusClient::~StatusClient() = default;

StatusClient::Answer StatusClient::status() {
  grpc::ClientContext context;
  parts_->prepare(context);
  v1::Status message;
  parts_->check(parts_->stub->GetStatus(&context, {}, &message));
  return {snapshot_of(message), message_json(message)};
}

std::vector<EpochRecord> StatusClient::history() {
  grpc::ClientContext context;
  parts_->prepare(context);
  v1::History message;
  parts_->check(parts_->stub->GetHistory(&context, {}, &message));
  std::vector<EpochRecord> history;
  for (const v1::EpochMetrics& epoch : message.epochs()) history.push_back(record_of(epoch));
  return history;
}

void StatusClient::request_stop() {
  grpc::ClientContext context;
  parts_->prepare(context);
  v1::StopTrainingResponse response;
  parts_->check(parts_->stub->StopTraining(&context, {}, &response));
}

void StatusClient::watch(double updates_per_second, const std::function<void(const Answer&)>& seen) {
  static_cast<void>(status());  // a dead address is found under a deadline; the stream itself lasts as long as the run
  grpc::ClientContext context;
  parts_->show_token(context);
  v1::WatchStatusRequest request;
  request.set_max_updates_per_second(updates_per_second);
  if (!parts_->begin_watch(context)) return;
  const auto stream = parts_->stub->WatchStatus(&context, request);
  v1::Status message;
  bool is_done = false;  // then the run's end was told, however the service ends
  try {
    while (stream->Read(&message)) {
      is_done = message.phase() == v1::PHASE_DONE;
      seen({snapshot_of(message), message_json(message)});
    }
  } catch (...) {  // who watches has had enough
    context.TryCancel();
    static_cast<void>(stream->Finish());
    static_cast<void>(parts_->finish_watch());
    throw;
  }
  const grpc::Status end = stream->Finish();
  if (!parts_->finish_watch() && !is_done) parts_->check(end);
}

void StatusClient::end_watch() {
  const std::lock_guard lock(parts_->mutex);
  parts_->ended = true;
  if (parts_->watching != nullptr) parts_->watching->TryCancel();
}

}  // namespace fer_ddp
