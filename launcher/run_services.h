// What a run offers while it trains: the status service, the metrics endpoint, and RUN/status.json, which leads to
// them; all gone when this is. Rank 0 alone.
#pragma once

#include <filesystem>
#include <optional>

#include "core/config.h"
#include "core/run_log.h"
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
  // The board outlives this.
  RunServices(const Config& config, StatusBoard& board, RunLog& log);
  RunServices(const RunServices&) = delete;
  RunServices& operator=(const RunServices&) = delete;
  ~RunServices();

  // Training is over, and the run about to end: load balancers are told so.
  void announce_end();

 private:
  std::filesystem::path folder_;
  std::optional<StatusServer> server_;
  std::optional<MetricsServer> metrics_;
};

}  // namespace fer_ddp
