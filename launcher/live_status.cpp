#include "launcher/live_status.h"

#include <fmt/format.h>

#include "status/status_file.h"

namespace fer_ddp {

LiveStatus::LiveStatus(const std::string& address, const Config& config, StatusBoard& board, RunLog& log)
    : folder_(config.output), server_(address, board) {
  write_status_file(folder_, server_.bound_address(), config.name);
  log.info("status", fmt::format("status: fer-ddp status --run {} (or {})", config.output, server_.bound_address()),
           {{"address", server_.bound_address()}});
}

// The last snapshot goes out to the watchers before the file that leads to them is taken away.
LiveStatus::~LiveStatus() {
  server_.stop();
  remove_status_file(folder_);
}

}  // namespace fer_ddp
