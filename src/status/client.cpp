#include "status/client.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <chrono>

#include "fer_ddp/v1/status.grpc.pb.h"
#include "status/address.h"
#include "status/grpc_log.h"
#include "status/messages.h"

namespace fer_ddp {

namespace {

constexpr std::chrono::seconds kDeadline{5};

void set_deadline(grpc::ClientContext& context) { context.set_deadline(std::chrono::system_clock::now() + kDeadline); }

}  // namespace

struct StatusClient::Parts {
  std::string address;
  std::unique_ptr<v1::TrainingStatus::Stub> stub;

  void check(const grpc::Status& status) const {
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        return;
      case grpc::StatusCode::UNAVAILABLE:
        throw ServiceGone(Fault::kMachine, fmt::format("no run answers at {}", address));
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        throw machine_error(fmt::format("{} did not answer within {} s", address, kDeadline.count()));
      default:
        throw machine_error(fmt::format("{} answered with an error: {} (gRPC status {})", address,
                                        status.error_message(), static_cast<int>(status.error_code())));
    }
  }
};

StatusClient::StatusClient(const std::string& address) : parts_(std::make_unique<Parts>()) {
  require_host_and_port(address);
  quieten_grpc();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // a proxy of the surroundings knows nothing of loopback
  parts_->address = address;
  parts_->stub =
      v1::TrainingStatus::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

StatusClient::~StatusClient() = default;

StatusClient::Answer StatusClient::status() {
  grpc::ClientContext context;
  set_deadline(context);
  v1::Status message;
  parts_->check(parts_->stub->GetStatus(&context, {}, &message));
  return {snapshot_of(message), message_json(message)};
}

std::vector<EpochRecord> StatusClient::history() {
  grpc::ClientContext context;
  set_deadline(context);
  v1::History message;
  parts_->check(parts_->stub->GetHistory(&context, {}, &message));
  std::vector<EpochRecord> history;
  for (const v1::EpochMetrics& epoch : message.epochs()) history.push_back(record_of(epoch));
  return history;
}

void StatusClient::request_stop() {
  grpc::ClientContext context;
  set_deadline(context);
  v1::StopTrainingResponse response;
  parts_->check(parts_->stub->StopTraining(&context, {}, &response));
}

void StatusClient::watch(double updates_per_second, const std::function<void(const Answer&)>& seen) {
  static_cast<void>(status());  // a dead address is found under a deadline; the stream itself lasts as long as the run
  grpc::ClientContext context;
  v1::WatchStatusRequest request;
  request.set_max_updates_per_second(updates_per_second);
  const auto stream = parts_->stub->WatchStatus(&context, request);
  v1::Status message;
  while (stream->Read(&message)) seen({snapshot_of(message), message_json(message)});
  parts_->check(stream->Finish());
}

}  // namespace fer_ddp
