// Raw bytes to the status service. None of them, short of the token, stops the run; and the service answers ever after.
#include "status/client.h"
#include "status/server.h"
#include "tests/fuzz/port.h"

using namespace fer_ddp;

namespace {

constexpr const char* kToken = "c0ffee";  // what the corpus' calls show
constexpr int kLooksEvery = 500;

struct Service {
  StatusBoard board{StatusSnapshot{.run = "fuzz", .epochs = 3}};
  StatusServer server{"127.0.0.1:0", board, ServiceSecurity{.token = kToken}};
  HostAndPort address = parse_address("address", server.bound_address());
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Service of_those_without_token;
  static Service of_those_with_it;  // who may stop it
  static int calls = 0;
  const std::string_view bytes = text_of(data, size);
  Service& service = bytes.find(kToken) == std::string_view::npos ? of_those_without_token : of_those_with_it;
  send_and_hang_up(service.address, bytes);
  require(!of_those_without_token.board.stop_requested(), "stopped without a token");
  if (++calls % kLooksEvery == 0)
    require(StatusClient(service.server.bound_address(), {.token = kToken}).status().snapshot.epochs == 3,
            "the service answers something else");
  return 0;
}
