// The gRPC status service of a live run: fer_ddp.v1.TrainingStatus, with the standard health service and reflection
// beside it. Where a token is asked for, every call of TrainingStatus wants it; health and reflection do not, so that a
// load balancer may probe (reflection shows no more than status.proto). It runs on gRPC's own threads, which read the
// StatusBoard and touch neither MPI nor LibTorch. Start it after MPI, stop it before. The object itself belongs to one
// thread.
#pragma once

#include <memory>
#include <string>

#include "status/board.h"
#include "status/service_security.h"

namespace fer_ddp {

class StatusServer {
 public:
  // Listens on `address` (port 0: any free) as `security` has it. Throws Error (the user's fault) if that cannot be, or
  // the address would lie open (require_guarded). The board outlives the server.
  StatusServer(const std::string& address, StatusBoard& board, const ServiceSecurity& security = {});
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;
  ~StatusServer();

  // The address with the port that was really taken.
  [[nodiscard]] const std::string& bound_address() const { return bound_address_; }

  // The health service says NOT_SERVING from now on; everything is answered as before.
  void announce_end();

  // Sends every watcher the last snapshot, ends their streams, and is done within about a second, whatever clients do.
  // A second call does nothing.
  void stop() noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;  // none once it was stopped
  std::string bound_address_;
};

}  // namespace fer_ddp
