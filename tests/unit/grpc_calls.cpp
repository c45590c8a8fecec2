#include "grpc_calls.h"

#include <grpcpp/generic/generic_stub.h>

#include <chrono>

namespace fer_ddp {

std::shared_ptr<grpc::Channel> direct_channel(const std::string& address,
                                              const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

grpc::Status call_bytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                        const std::string& request, std::string& response) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  const grpc::Slice slice(request);
  const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
  grpc::ByteBuffer bytes;
  grpc::Status status;
  call->StartCall();
  call->Finish(&bytes, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  grpc::Slice answer;
  if (status.ok() && bytes.DumpToSingleSlice(&answer).ok())
    response.assign(reinterpret_cast<const char*>(answer.begin()), answer.size());
  return status;
}

std::string health_of(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  // Field 1, a text; proto3 leaves an empty one out.
  const std::string request = service.empty() ? "" : std::string("\x0a") + static_cast<char>(service.size()) + service;
  std::string response;
  const grpc::Status status = call_bytes(channel, "/grpc.health.v1.Health/Check", request, response);
  if (!status.ok()) return status.error_message();
  if (response == "\x08\x01") return "SERVING";  // field 1, a number
  if (response == "\x08\x02") return "NOT_SERVING";
  return "an unknown answer";
}

}  // namespace fer_ddp
