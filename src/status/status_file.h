// RUN/status.json: where a live run's status service listens. Written when the service is up, removed when the run
// ends; one that a killed run left behind leads nowhere. Rank 0 alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace fer_ddp {

struct StatusFile {
  std::string address{};
  std::string host{};  // the address is loopback: only there does it lead anywhere
  std::string run{};   // its name
};

// Writes {"address", "pid", "host", "run", "started"}, atomically.
void write_status_file(const std::filesystem::path& run_folder, const std::string& address, const std::string& run);

void remove_status_file(const std::filesystem::path& run_folder) noexcept;

// None if there is no such file. Throws Error (the user's fault) if it cannot be understood.
[[nodiscard]] std::optional<StatusFile> read_status_file(const std::filesystem::path& run_folder);

}  // namespace fer_ddp
