// Facts about the machine that this process runs on. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace fer_ddp {

[[nodiscard]] std::string host_name();

// The same for all processes of one running kernel, containers included, and for no others: Linux's boot id.
[[nodiscard]] std::string machine_identity();

// Largest resident memory this process ever had, in bytes.
[[nodiscard]] int64_t peak_resident_bytes();

// Seconds since the Unix epoch.
[[nodiscard]] double wall_clock_seconds();

}  // namespace fer_ddp
