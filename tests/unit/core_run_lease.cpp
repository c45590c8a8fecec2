#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/run_lease.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

// As the real one, but a hundred times as fast.
constexpr LeaseTiming kQuick{.renewal = milliseconds(20), .watch = milliseconds(400), .poll = milliseconds(5)};
// Of one that is never seen to renew its lease.
constexpr LeaseTiming kHalted{.renewal = std::chrono::hours(1), .watch = milliseconds(400), .poll = milliseconds(5)};

// A process elsewhere, which cannot be looked at.
LeaseHolder elsewhere(const std::string& host) {
  LeaseHolder holder = new_holder();
  holder.host = host;
  holder.process.boot = "boot of " + host;
  return holder;
}

// A process of this machine that has ended.
LeaseHolder ended() {
  LeaseHolder holder = new_holder();
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  holder.process.pid = child;
  return holder;
}

std::string refusal(const fs::path& folder, const LeaseHolder& self = new_holder()) {
  try {
    const RunLease lease(folder, {}, self, kQuick);
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kUser);
    return error.message();
  }
  return "";
}

// What a killed process leaves: its lease, no longer renewed.
void leave_lease(const fs::path& folder, const LeaseHolder& holder) {
  const TemporaryFolder aside;
  const RunLease lease(aside.path(), {}, holder, kHalted);
  fs::copy_file(aside.path() / "lease.json", folder / "lease.json", fs::copy_options::overwrite_existing);
}

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::string renewed(const fs::path& folder) {
  return nlohmann::json::parse(read_file(folder / "lease.json")).at("renewed").get<std::string>();
}

void wait_for_renewal(const fs::path& folder) {
  const std::string before = renewed(folder);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (renewed(folder) == before) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(milliseconds(1));
  }
}

TEST(RunLease, IsGoneOnceItsHolderIs) {
  const TemporaryFolder folder;
  {
    const RunLease lease(folder.path(), {}, new_holder(), kQuick);
    EXPECT_NO_THROW(lease.require());
    EXPECT_TRUE(fs::exists(folder.path() / "lease.json"));
  }
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(LeaseWatch, SeesWhoHoldsALeaseAndThatNobodyDoes) {
  const TemporaryFolder folder;
  LeaseWatch watch;
  EXPECT_FALSE(watch.look(folder.path() / "nowhere").held);
  {
    const RunLease lease(folder.path(), {}, new_holder(), kQuick);
    const LeaseWatch::Seen seen = watch.look(folder.path());
    EXPECT_TRUE(seen.held);
    ASSERT_TRUE(seen.holder);
    EXPECT_EQ(seen.holder->process, this_process());
  }
  EXPECT_FALSE(watch.look(folder.path()).held);
  leave_lease(folder.path(), ended());
  EXPECT_FALSE(watch.look(folder.path()).held);
}

TEST(LeaseWatch, WatchesAHostOutOfSightWithoutWaiting) {
  const TemporaryFolder folder;
  leave_lease(folder.path(), elsewhere("node9"));
  LeaseWatch watch(new_holder(), {.watch = milliseconds(60)});
  EXPECT_TRUE(watch.look(folder.path()).held);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (watch.look(folder.path()).held) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(milliseconds(1));
  }
}

TEST(LeaseWatch, CountsTheTimeWithoutAChange) {
  const TemporaryFolder folder;
  const RunLease lease(folder.path(), {}, new_holder(), kQuick);
  LeaseWatch watch;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool changed = false;
  for (auto before = watch.look(folder.path()).unchanged; !changed;) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(milliseconds(1));
    const auto now = watch.look(folder.path()).unchanged;
    changed = now < before;
    before = now;
  }
}

TEST(RunLease, OfALiveProcessIsRefusedAtOnceAndTheProcessNamed) {
  const TemporaryFolder folder;
  const RunLease lease(folder.path(), {}, new_holder(), kHalted);
  const std::string message = refusal(folder.path());
  EXPECT_THAT(message, HasSubstr("process " + std::to_string(getpid()) + " on " + host_name()));
  EXPECT_THAT(message, HasSubstr("fer-ddp stop --run " + folder.path().string()));
  EXPECT_NO_THROW(lease.require());
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(RunLease, OfAProcessThatHasEndedIsTakenOverUnwatched) {
  const TemporaryFolder folder;
  leave_lease(folder.path(), ended());
  const RunLease lease(folder.path(), [](const std::string&) { ADD_FAILURE() << "watched"; });
  EXPECT_NO_THROW(lease.require());
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(RunLease, OfAnotherProcessWithTheSameNumberIsTakenOver) {
  const TemporaryFolder folder;
  LeaseHolder earlier = new_holder();
  earlier.process.start = "1";
  leave_lease(folder.path(), earlier);
  const RunLease lease(folder.path(), [](const std::string&) { ADD_FAILURE() << "watched"; });
}

TEST(RunLease, OfAHostOutOfSightIsRefusedWhileItIsRenewed) {
  const TemporaryFolder folder;
  const RunLease lease(folder.path(), {}, elsewhere("n1"), kQuick);
  EXPECT_THAT(refusal(folder.path()), HasSubstr(" on n1"));
  EXPECT_NO_THROW(lease.require());
}

TEST(RunLease, OfAHostOutOfSightIsTakenOverWhenItHasNotChangedForTheWholeWatch) {
  const TemporaryFolder folder;
  leave_lease(folder.path(), elsewhere("n1"));
  std::string watched;
  const auto begin = std::chrono::steady_clock::now();
  const RunLease lease(
      folder.path(), [&](const std::string& holder) { watched = holder; }, new_holder(), kQuick);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kQuick.watch);
  EXPECT_THAT(watched, HasSubstr(" on n1"));
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(RunLease, OfAnEarlierStartOfTheSameSlurmJobIsTakenOverUnwatched) {
  const TemporaryFolder folder;
  LeaseHolder first = elsewhere("n1");
  LeaseHolder second = elsewhere("n2");
  first.slurm_job = second.slurm_job = "17 of cluster";
  second.slurm_restarts = 1;
  const RunLease lost(folder.path(), {}, first, kQuick);
  const RunLease lease(
      folder.path(), [](const std::string&) { ADD_FAILURE() << "watched"; }, second, kQuick);
  EXPECT_NO_THROW(lease.require());
  EXPECT_THROW(lost.require(), Error);
  // The other way round, and another job's, it is not.
  EXPECT_THAT(refusal(folder.path(), first), HasSubstr(" on n2"));
  second.slurm_job = "18 of cluster";
  second.slurm_restarts = 5;
  EXPECT_THAT(refusal(folder.path(), second), HasSubstr(" on n2"));
}

TEST(RunLease, WhoeverWasHaltedWhileItWasTakenOverFindsOutAndLeavesItAlone) {
  const TemporaryFolder folder;
  auto halted = std::make_unique<RunLease>(folder.path(), RunLease::OnWatch(), elsewhere("n1"), kHalted);
  const RunLease lease(folder.path(), {}, new_holder(), kQuick);
  try {
    halted->require();
    ADD_FAILURE() << "it does not know";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kMachine);
    EXPECT_THAT(error.what(), HasSubstr("process " + std::to_string(getpid())));
  }
  halted.reset();
  EXPECT_NO_THROW(lease.require());
}

TEST(RunLease, ThatWasLostIsSeenAtTheNextRenewal) {
  const TemporaryFolder folder;
  const RunLease lease(folder.path(), {}, new_holder(), kQuick);
  EXPECT_FALSE(lease.lost());
  fs::remove(folder.path() / "lease.json");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!lease.lost()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_THROW(lease.require(), Error);
}

TEST(RunLease, OutlivesARenewalThatFails) {
  const TemporaryFolder folder;
  const RunLease lease(folder.path(), {}, new_holder(), kQuick);
  // A folder under its name can be neither read nor written, as after an I/O error.
  const std::string file = folder.path() / "lease.json";
  const std::string aside = folder.path() / "aside";
  fs::create_directory(aside);
  ASSERT_EQ(renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, aside.c_str(), RENAME_EXCHANGE), 0);
  std::this_thread::sleep_for(5 * kQuick.renewal);
  EXPECT_FALSE(lease.lost());
  ASSERT_EQ(renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, aside.c_str(), RENAME_EXCHANGE), 0);
  wait_for_renewal(folder.path());
  EXPECT_NO_THROW(lease.require());
}

TEST(RunLease, GoesToOneOfManyThatWantItAtOnce) {
  for (const bool out_of_sight : {false, true}) {
    const TemporaryFolder folder;
    for (const bool fresh : {true, false}) {
      if (!fresh) leave_lease(folder.path(), out_of_sight ? elsewhere("n0") : ended());
      constexpr int kStarters = 8;
      std::vector<std::unique_ptr<RunLease>> leases(kStarters);
      std::atomic<int> refused = 0;
      {
        std::vector<std::jthread> starters;
        for (int i = 0; i < kStarters; ++i) {
          starters.emplace_back([&, i] {
            const LeaseHolder self = out_of_sight ? elsewhere("n" + std::to_string(i)) : new_holder();
            try {
              leases[static_cast<size_t>(i)] =
                  std::make_unique<RunLease>(folder.path(), RunLease::OnWatch(), self, kQuick);
            } catch (const Error&) {
              ++refused;
            }
          });
        }
      }
      EXPECT_EQ(refused, kStarters - 1);
      for (const auto& lease : leases) {
        if (lease) {
          EXPECT_NO_THROW(lease->require());
        }
      }
      leases.clear();
      EXPECT_EQ(files_in(folder.path()), 0U);
    }
  }
}

TEST(RunLease, ThatAKilledStarterHadBegunToTakeOverIsTakenOver) {
  const TemporaryFolder folder;
  const LeaseHolder dead = ended();
  leave_lease(folder.path(), dead);
  // It held the right to replace the first one's lease, and had its own ready.
  const LeaseHolder killed = ended();
  const TemporaryFolder other;
  leave_lease(other.path(), killed);
  fs::copy_file(other.path() / "lease.json", folder.path() / (".lease." + dead.token + ".replaces"));
  fs::copy_file(other.path() / "lease.json", folder.path() / (".lease." + killed.token + ".next"));
  const RunLease lease(folder.path());
  EXPECT_NO_THROW(lease.require());
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(RunLease, ThatWasNeverWrittenToItsEndIsTakenOver) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "lease.json") << "{\"host\": ";
  const RunLease lease(folder.path(), {}, new_holder(), kQuick);
  EXPECT_NO_THROW(lease.require());
  EXPECT_EQ(files_in(folder.path()), 1U);
}

}  // namespace

}  // namespace fer_ddp
