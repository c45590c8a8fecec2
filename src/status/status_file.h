// RUN/status.json: where a live run's status service listens. Written when the service is up, removed when the run ends; one that a
// killed run left behind leads nowhere. Rank 0 alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace fer_ddp {

// Writes {"address", "pid", "host", "run", "started"}, atomically.
void write_status_file(const std::filesystem::path& run_folder, const std::string& address, const std::string& run);

void remove_status_file(const std::filesystem::path& run_folder) noexcept;

// The address in RUN/status.json; none if there is no such file. Throws Error (the user's fault) if it cannot be understood.
[[nodiscard]] std::optional<std::string> read_status_address(const std::filesystem::path& run_folder);

}  // namespace fer_ddp
