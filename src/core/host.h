// Facts about the machine that this process runs on. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace fer_ddp {

// Bytes that are not UTF-8 are replaced, as in utf8_text(): the name goes into JSON and protocol messages.
[[nodiscard]] std::string host_name();

// The same for all processes of one running kernel, containers included, and for no others: Linux's boot id.
[[nodiscard]] std::string machine_identity();

// What tells a process from every other one, also from those that get its number later or on another machine.
struct ProcessIdentity {
  std::string boot{};           // machine_identity() of its machine
  std::string pid_namespace{};  // empty: it could not tell
  int64_t pid = 0;              // in that namespace
  std::string start{};          // in clock ticks since that boot

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

[[nodiscard]] ProcessIdentity this_process();

enum class ProcessLife { kLives, kEnded, kCannotTell };

// Only of processes of this machine and PID namespace can it be told whether they live; a zombie does not.
[[nodiscard]] ProcessLife life_of(const ProcessIdentity& process);

// Seconds since the Unix epoch.
[[nodiscard]] double wall_clock_seconds();

}  // namespace fer_ddp
