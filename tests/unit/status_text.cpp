// A run's status as people read it, and the file that leads to its service.
#include "status/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/host.h"
#include "status/status_file.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

StatusSnapshot third_epoch() {
  return {.run = "exp",
          .phase = RunPhase::kTraining,
          .epoch = 2,
          .epochs = 50,
          .step = 120,
          .steps_per_epoch = 197,
          .learning_rate = 0.001,
          .loss = 1.4321,
          .accuracy = 0.452,
          .images_per_second = 2345,
          .eta_seconds = 200};
}

TEST(StatusText, ALineCountsEpochsFromOne) {
  EXPECT_EQ(status_line(third_epoch()),
            "exp: training, epoch 3/50, step 120/197, loss 1.4321, accuracy 0.4520, 2,345 images/s, 3 min 20 s left");
}

TEST(StatusText, TheScreenCountsEpochsFromOne) { EXPECT_THAT(status_screen(third_epoch(), 80, 24), HasSubstr("3/50")); }

TEST(StatusText, WhatIsMissingIsNotShownAsANumber) {
  StatusSnapshot status = third_epoch();
  status.loss.reset();
  status.accuracy.reset();
  status.latest_epoch = EpochRecord{.epoch = 1, .loss = 1.5};
  EXPECT_THAT(status_line(status) + status_screen(status, 80, 24), Not(HasSubstr("nan")));
}

TEST(StatusText, RanksStandTogetherByHostInTheOrderOfRanks) {
  StatusSnapshot status = third_epoch();
  status.ranks = {{0, "node2", "cuda:0"}, {1, "node2", "cuda:1"}, {2, "node10", "cpu"}, {3, "node10", "cpu"}};
  EXPECT_THAT(status_screen(status, 80, 24), HasSubstr("  node2          2 ranks: cuda:0, cuda:1\n"
                                                       "  node10         2 ranks: cpu\n"));
}

TEST(StatusText, TheScreenIsCutToTheTerminal) {
  StatusSnapshot status = third_epoch();
  status.run = "ausdrücke";
  for (int rank = 0; rank < 100; ++rank) status.ranks.push_back({rank, "node" + std::to_string(rank), "cpu"});
  std::istringstream screen(status_screen(status, 20, 10));
  int lines = 0;
  for (std::string line; std::getline(screen, line); ++lines) {
    const auto characters = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(characters, 20) << line;
  }
  EXPECT_EQ(lines, 10);
}

TEST(StatusFile, LeadsToTheServiceUntilItIsRemoved) {
  const TemporaryFolder run;
  EXPECT_FALSE(read_status_file(run.path()).has_value());
  write_status_file(run.path(), {.address = "127.0.0.1:50051",
                                 .run = "exp",
                                 .metrics_address = "127.0.0.1:9464",
                                 .token_file = "/secrets/token"});
  const StatusFile file = read_status_file(run.path()).value();
  EXPECT_EQ(file.address, "127.0.0.1:50051");
  EXPECT_EQ(file.host, host_name());
  EXPECT_EQ(file.run, "exp");
  EXPECT_EQ(file.metrics_address, "127.0.0.1:9464");
  EXPECT_EQ(file.tls_certificate, "");
  EXPECT_EQ(file.token_file, "/secrets/token");
  EXPECT_TRUE(file.own);
  remove_status_file(run.path());
  EXPECT_FALSE(read_status_file(run.path()).has_value());
}

TEST(StatusFile, ADamagedOneIsTheUsersToMend) {
  const TemporaryFolder run;
  std::ofstream(run.path() / "status.json") << "{\"address\": ";
  EXPECT_THROW(static_cast<void>(read_status_file(run.path())), Error);
}

}  // namespace

}  // namespace fer_ddp
