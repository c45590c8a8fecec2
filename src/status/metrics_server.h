// The endpoint that Prometheus scrapes: GET /metrics by plain HTTP, on two threads of its own. Debian's HTTP server
// behind prometheus-cpp loads no TLS (it looks for OpenSSL 1.1), so other addresses than loopback are refused unless
// the configuration says in so many words that the metrics may be read by whoever reaches them. The object itself
// belongs to one thread.
#pragma once

#include <memory>
#include <string>

#include "core/config.h"
#include "status/board.h"

namespace fer_ddp {

// Throws Error (the user's fault), naming the key, if metrics_address is set and cannot be served.
void require_metrics_address(const Config& config);

class MetricsServer {
 public:
  // Listens on the configuration's metrics_address, which is set. Throws Error (the user's fault) if that cannot be.
  // The board outlives the server.
  MetricsServer(const Config& config, const StatusBoard& board);
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  // Waits until the HTTP server's threads look up: two seconds at most, whatever clients do.
  ~MetricsServer();

  // The address with the port that was really taken.
  [[nodiscard]] const std::string& bound_address() const { return bound_address_; }

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::string bound_address_;
};

}  // namespace fer_ddp
