#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "status/address.h"
#include "status/status_text.h"

namespace fer_ddp {

namespace {

TEST(StatusAddress, LoopbackIsAllowed) {
  for (const char* address : {"127.0.0.1:0", "127.1.2.3:50051", "localhost:0", "[::1]:65535"}) EXPECT_NO_THROW(require_loopback(address)) << address;
}

TEST(StatusAddress, EverythingElseIsRefused) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "node17:5000", "192.168.1.2:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999",
                              "127.evil.com:1", "127.0.0.1:-1", "", ":0", "unix:/tmp/socket"})
    EXPECT_THROW(require_loopback(address), Error) << address;
}

TEST(StatusText, SaysEpochsAndStepsFromOne) {
  StatusSnapshot status{.run = "exp", .phase = RunPhase::kTraining, .epoch = 2, .epochs = 50, .step = 120, .steps_per_epoch = 197,
                        .learning_rate = 0.001, .loss = 1.4321, .accuracy = 0.452, .images_per_second = 2345, .eta_seconds = 200};
  EXPECT_EQ(status_line(status), "exp: training, epoch 3/50, step 120/197, loss 1.4321, accuracy 0.4520, 2,345 images/s, 3 min 20 s left");
  EXPECT_THAT(status_screen(status, 80), ::testing::HasSubstr("3 of 50"));
}

}  // namespace

}  // namespace fer_ddp
