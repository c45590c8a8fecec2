// What a run offers while it trains: the status service, the metrics endpoint, and RUN/status.json, which leads to
// them; all gone when this is. Rank 0 alone.
#pragma once

#include <optional>

#include "core/config.h"
#include "core/run_log.h"
#include "launcher/run_claim.h"
#include "status/board.h"
#include "status/metrics_server.h"
#include "status/server.h"

namespace fer_ddp {

// Throws Error (the user's fault) if the status_* and metrics_* keys, or the files that they name, cannot be used. To
// be asked before a run does anything that takes time.
void check_run_services(const Config& config);

class RunServices {
 public:
  // Starts what the configuration has switched on. Throws Error (the user's fault) if an address cannot be listened on.
  // The configuration and the board outlive this.
  RunServices(const Config& config, StatusBoard& board);
  RunServices(const RunServices&) = delete;
  RunServices& operator=(const RunServices&) = delete;
  ~RunServices();

  // Writes RUN/status.json and says where the services are. The claim outlives this.
  void publish(const RunClaim& claim, RunLog& log);

  // Training is over, and the run about to end: load balancers are told so.
  void announce_end();

 private:
  const Config& config_;
  const RunClaim* claim_ = nullptr;  // once there is a status.json
  std::optional<StatusServer> server_;
  std::optional<MetricsServer> metrics_;
};

}  // namespace fer_ddp
