// Raw bytes to the metrics' endpoint, which answers a proper request ever after.
#include "status/metrics_server.h"
#include "tests/fuzz/port.h"

using namespace fer_ddp;

namespace {

constexpr int kLooksEvery = 500;

Config loopback() {
  Config config;
  config.metrics_address = "127.0.0.1:0";
  return config;
}

struct Service {
  StatusBoard board{StatusSnapshot{.run = "fuzz", .epochs = 3}};
  MetricsServer server{loopback(), board};
  HostAndPort address = parse_address("address", server.bound_address());
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Service service;
  static int calls = 0;
  send_and_hang_up(service.address, text_of(data, size));
  if (++calls % kLooksEvery == 0) {
    const std::string answer = send_and_hang_up(service.address, "GET /metrics HTTP/1.0\r\n\r\n");
    require(answer.find("fer_ddp_epochs_limit{run=\"fuzz\"} 3") != std::string::npos, "the metrics are not there");
  }
  return 0;
}
