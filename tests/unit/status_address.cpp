#include <gtest/gtest.h>

#include "core/error.h"
#include "status/address.h"

namespace fer_ddp {

namespace {

HostAndPort parse(const std::string& address) { return parse_address("status_address", address); }

TEST(StatusAddress, LoopbackIsKnownInEveryForm) {
  for (const char* address : {"127.0.0.1:0", "127.1.2.3:50051", "localhost:0", "[::1]:65535"})
    EXPECT_TRUE(is_loopback(parse(address))) << address;
}

TEST(StatusAddress, NothingElseIsTakenForLoopback) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "node17:5000", "192.168.1.2:1", "127.evil.com:1", "127.0.0:1"})
    EXPECT_FALSE(is_loopback(parse(address))) << address;
}

TEST(StatusAddress, WhatIsNoHostAndPortIsRefused) {
  for (const char* address :
       {"127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:1s", "", ":0", "unix:/tmp/socket",
        "http://127.0.0.1:1", "127.0.0.1:1,0.0.0.0:2", "runs/exp", "node 17:1", "::1:5"})
    EXPECT_THROW(static_cast<void>(parse(address)), Error) << address;
}

TEST(StatusAddress, ReadsBackAsItWas) {
  for (const char* address : {"node17:5000", "[fe80::1%eth0]:1", "0.0.0.0:0"})
    EXPECT_EQ(address_text(parse(address)), address);
}

}  // namespace

}  // namespace fer_ddp
