#include "launcher/run_services.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/text.h"
#include "core/threads.h"
#include "status/status_file.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

std::string absolute_path(const std::optional<std::string>& path) {
  return path ? fs::absolute(*path).lexically_normal().string() : std::string();
}

// status.json leads `fer-ddp status` to these files, and JSON is in UTF-8.
void require_utf8(const char* key, const std::optional<std::string>& path) {
  if (!is_utf8(absolute_path(path)))
    throw user_error(fmt::format("{}: {} is a path that is not UTF-8", key, absolute_path(path)),
                     "Move the file, or give its whole path if the working directory's is the one that is not.");
}

}  // namespace

void check_run_services(const Config& config) {
  static_cast<void>(read_service_security(config));
  require_utf8("status_tls_certificate", config.status_tls_certificate);
  require_utf8("status_tls_client_ca", config.status_tls_client_ca);
  require_utf8("status_token_file", config.status_token_file);
  require_metrics_address(config);
}

// The services' threads are woken by watchers whenever those like; the step's should not wait for them.
RunServices::RunServices(const Config& config, StatusBoard& board) : config_(config) {
  run_at_low_priority([&] {
    if (config.status_address) server_.emplace(*config.status_address, board, read_service_security(config));
    if (config.metrics_address) metrics_.emplace(config, board);
  });
}

void RunServices::publish(const RunClaim& claim, RunLog& log) {
  if (!server_ && !metrics_) return;
  StatusFile file{.run = config_.name};
  if (server_) {
    file.address = server_->bound_address();
    file.tls_certificate = absolute_path(config_.status_tls_certificate);
    file.tls_client_ca = absolute_path(config_.status_tls_client_ca);
    file.token_file = absolute_path(config_.status_token_file);
    log.info("status", fmt::format("status: fer-ddp status --run {} (or {})", config_.output, file.address),
             {{"address", file.address}, {"tls", config_.status_tls_certificate.has_value()}});
  }
  if (metrics_) {
    file.metrics_address = metrics_->bound_address();
    log.info("metrics", fmt::format("metrics: http://{}/metrics", file.metrics_address),
             {{"address", file.metrics_address}});
  }
  claim_ = &claim;
  write_status_file(config_.output, file, claim.check());
}

// The last snapshot goes out to the watchers before the file that leads to them is taken away.
RunServices::~RunServices() {
  metrics_.reset();
  if (server_) server_->stop();
  if (claim_ != nullptr && claim_->holds()) remove_status_file(config_.output);
}

void RunServices::announce_end() {
  if (server_) server_->announce_end();
}

}  // namespace fer_ddp
