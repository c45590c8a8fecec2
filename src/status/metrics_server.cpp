#include "status/metrics_server.h"

#include <fmt/format.h>
#include <prometheus/exposer.h>

#include "core/error.h"
#include "status/address.h"
#include "status/metrics.h"

namespace fer_ddp {

namespace {

// A client that says nothing holds one of two threads, and the run's end, for no longer than this.
constexpr const char* kRequestTimeoutMilliseconds = "1000";

HostAndPort address_of(const Config& config) { return parse_address("metrics_address", *config.metrics_address); }

}  // namespace

void require_metrics_address(const Config& config) {
  if (!config.metrics_address) return;
  const HostAndPort address = address_of(config);
  if (address.host.starts_with('['))
    throw user_error(fmt::format("metrics_address is \"{}\": IPv6 is not served there", *config.metrics_address),
                     "Give an IPv4 address, such as 127.0.0.1:9464.");
  if (is_loopback(address) || config.metrics_in_the_clear) return;
  throw user_error(
      fmt::format("metrics_address is \"{}\", not a loopback address: anybody might read the metrics, in the clear",
                  *config.metrics_address),
      "Use 127.0.0.1:PORT behind a collector or proxy on the node, or set metrics_in_the_clear to true.");
}

struct MetricsServer::Parts {
  explicit Parts(const Config& config, const StatusBoard& board)
      : metrics(std::make_shared<RunMetrics>(config, board)),
        exposer({"listening_ports", *config.metrics_address, "num_threads", "2", "request_timeout_ms",
                 kRequestTimeoutMilliseconds, "enable_directory_listing", "no"}) {
    exposer.RegisterCollectable(metrics);
  }

  std::shared_ptr<RunMetrics> metrics;
  prometheus::Exposer exposer;
};

MetricsServer::MetricsServer(const Config& config, const StatusBoard& board) {
  require_metrics_address(config);
  try {
    parts_ = std::make_unique<Parts>(config, board);
  } catch (const std::exception&) {  // which says no more than that
    throw user_error(fmt::format("metrics cannot be served on {}", *config.metrics_address),
                     "Is the port taken by another run? Port 0 takes any free one; metrics_address null switches "
                     "them off.");
  }
  const HostAndPort address{.host = address_of(config).host, .port = parts_->exposer.GetListeningPorts().front()};
  bound_address_ = address_text(address);
}

MetricsServer::~MetricsServer() = default;

}  // namespace fer_ddp
