// What the status service's tests share beside its own client.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace fer_ddp {

// A channel to `address`, whatever proxy the surroundings name.
[[nodiscard]] std::shared_ptr<grpc::Channel> direct_channel(
    const std::string& address,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials = grpc::InsecureChannelCredentials());

// Debian ships the libraries of the health service and of reflection without their protos, so these speak in bytes.
grpc::Status call_bytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                        const std::string& request, std::string& response);

// What grpc.health.v1.Health/Check says of a service: "SERVING", "NOT_SERVING", or the error.
[[nodiscard]] std::string health_of(const std::shared_ptr<grpc::Channel>& channel, const std::string& service);

}  // namespace fer_ddp
