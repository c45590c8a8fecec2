// The gRPC status service of a live run: fer_ddp.v1.TrainingStatus, with the standard health service and reflection
// beside it. It runs on gRPC's own threads, which read the StatusBoard and touch neither MPI nor LibTorch. Start it
// after MPI, stop it before. The object itself belongs to one thread.
#pragma once

#include <memory>
#include <string>

#include "status/board.h"

namespace fer_ddp {

class StatusServer {
 public:
  // Listens on `address` (see require_loopback; port 0: any free). Throws Error (the user's fault) if that cannot be.
  // The board outlives the server.
  StatusServer(const std::string& address, StatusBoard& board);
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;
  ~StatusServer();

  // The address with the port that was really taken.
  [[nodiscard]] const std::string& bound_address() const { return bound_address_; }

  // Sends every watcher the last snapshot, ends their streams, and is done within about a second, whatever clients do.
  // A second call does nothing.
  void stop() noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;  // none once it was stopped
  std::string bound_address_;
};

}  // namespace fer_ddp
