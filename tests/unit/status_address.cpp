#include <gtest/gtest.h>

#include "core/error.h"
#include "status/address.h"

namespace fer_ddp {

namespace {

TEST(StatusAddress, LoopbackIsAllowed) {
  for (const char* address : {"127.0.0.1:0", "127.1.2.3:50051", "localhost:0", "[::1]:65535"})
    EXPECT_NO_THROW(require_loopback(address)) << address;
}

TEST(StatusAddress, EverythingElseIsRefused) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "node17:5000", "192.168.1.2:1", "127.0.0.1", "127.0.0.1:",
                              "127.0.0.1:99999", "127.evil.com:1", "127.0.0.1:-1", "", ":0", "unix:/tmp/socket"})
    EXPECT_THROW(require_loopback(address), Error) << address;
}

TEST(StatusAddress, AnyHostMayBeAskedButNotWithoutAPort) {
  for (const char* address : {"node17:5000", "127.0.0.1:1", "[::1]:1"})
    EXPECT_NO_THROW(require_host_and_port(address)) << address;
  for (const char* address : {"node17", "runs/exp", ":5000", ""})
    EXPECT_THROW(require_host_and_port(address), Error) << address;
}

}  // namespace

}  // namespace fer_ddp
