// The right to write into a run's folder: one process holds it at a time, among all hosts that share the file system.
// It stands in RUN/lease.json, which the holder renews every 2 s by raising a count in it, in place, so that a file
// that is not its own any more is never touched. Who wants it from a holder that has died takes it over:
//   - at once where the holder can be looked at, being of this machine and PID namespace, or where it was an earlier
//     start of the same Slurm job;
//   - otherwise after having watched the file for 15 s, by a clock of its own, without a change in it. No host's clock
//     is compared with another's.
// Two that want it at once: the file is made by O_EXCL, and whoever changes or removes it first makes, by O_EXCL too, a
// file named after the one that it found, which only one process can. A holder that was taken over while it was halted
// finds out before it publishes anything (require).
//
// Besides this only atomic renames are asked of the file system, no locks: NFS without a lock daemon and Lustre will
// do.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "core/error.h"
#include "core/host.h"

namespace fer_ddp {

// Who holds a lease, as it wrote it there itself.
struct LeaseHolder {
  std::string host{};
  ProcessIdentity process{};
  std::string slurm_job{};  // empty: none
  int slurm_restarts = 0;
  std::string token{};  // random: no two leases have the same
};

// This process, with a new token; Slurm's job and restart count from the environment.
[[nodiscard]] LeaseHolder new_holder();

struct LeaseTiming {
  std::chrono::milliseconds renewal{2000};
  std::chrono::milliseconds watch{15000};
  std::chrono::milliseconds poll{250};  // while watching
};

// Thrown where a live process has the lease: the user's fault.
class LeaseHeld : public Error {
 public:
  using Error::Error;
};

class RunLease {
 public:
  // Told when a holder has to be watched, with "process 4711 on node17".
  using OnWatch = std::function<void(const std::string& holder)>;

  // Takes the lease of `folder`, which is made if it is not there. Throws Error: LeaseHeld, naming the holder, where a
  // live process has it; the user's fault where the folder cannot be written to.
  explicit RunLease(const std::filesystem::path& folder, const OnWatch& on_watch = {},
                    const LeaseHolder& self = new_holder(), LeaseTiming timing = {});
  RunLease(const RunLease&) = delete;
  RunLease& operator=(const RunLease&) = delete;
  ~RunLease();  // gives it back, if it still is this one's

  // Looks into the file. Throws Error (the machine's fault) if the lease was lost, or if the file cannot be read for
  // 5 s. Thread-safe.
  void require() const;

  // Was it found lost when it was last renewed? Costs nothing. Thread-safe.
  [[nodiscard]] bool lost() const { return lost_.load(); }

  // Throws what require() throws for a lost lease.
  [[noreturn]] void fail_lost() const;

  // Is this the name of a file that a lease consists of?
  [[nodiscard]] static bool is_part(std::string_view file_name);

 private:
  enum class Look { kHeld, kLost, kUnclear };

  [[nodiscard]] Look look(std::optional<uint64_t> beat) const;
  void renew(const std::stop_token& stop);
  void release() noexcept;

  std::filesystem::path path_;
  std::string token_;
  std::string text_;
  LeaseTiming timing_;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread renewing_;
};

// Looks at leases from outside, as often as it is asked, and never waits. One thread.
class LeaseWatch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LeaseWatch(LeaseHolder self = new_holder(), LeaseTiming timing = {});

  struct Seen {
    bool held = false;                    // false: whoever wants it may try to take it
    std::optional<LeaseHolder> holder{};  // where it is held, and can be read
    Clock::duration unchanged{};          // for how long this watch has seen no change in it, as it
                                          // was looked at each second
  };

  [[nodiscard]] Seen look(const std::filesystem::path& folder);

 private:
  struct Known {
    std::string text;
    Clock::time_point seen;
    Clock::duration unchanged{};
  };

  LeaseHolder self_;
  LeaseTiming timing_;
  std::map<std::filesystem::path, Known> known_{};
};

}  // namespace fer_ddp
