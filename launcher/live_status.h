// The status service of a run while it lives: the server and RUN/status.json, both gone when this is. Rank 0 alone.
#pragma once

#include <filesystem>
#include <string>

#include "core/config.h"
#include "core/run_log.h"
#include "status/board.h"
#include "status/server.h"

namespace fer_ddp {

class LiveStatus {
 public:
  // Throws Error (the user's fault) if the address cannot be listened on. The board outlives this.
  LiveStatus(const std::string& address, const Config& config, StatusBoard& board, RunLog& log);
  LiveStatus(const LiveStatus&) = delete;
  LiveStatus& operator=(const LiveStatus&) = delete;
  ~LiveStatus();

 private:
  std::filesystem::path folder_;
  StatusServer server_;
};

}  // namespace fer_ddp
