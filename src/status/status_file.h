// RUN/status.json: where a live run's services listen, and what somebody who can read the run's folder needs to ask
// them. Written when the services are up, removed when the run ends; one that a killed run left behind leads nowhere.
// Rank 0 alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/atomic_file.h"

namespace fer_ddp {

struct StatusFile {
  std::string address{};          // of the status service; empty: it is off
  std::string host{};             // of rank 0: a loopback address leads somewhere there alone
  std::string run{};              // its name
  std::string metrics_address{};  // empty: off
  // Absolute paths; empty: none.
  std::string tls_certificate{};
  std::string tls_client_ca{};
  std::string token_file{};
  bool own = false;  // this user's own file: the paths in it may be followed with this user's rights
};

// Writes {"address", "pid", "host", "run", "started", ...}, atomically; fills in pid, host and start itself. What is
// empty becomes null.
void write_status_file(const std::filesystem::path& run_folder, const StatusFile& file, const PublishCheck& check = {});

void remove_status_file(const std::filesystem::path& run_folder) noexcept;

// None if there is no such file. Throws Error (the user's fault) if it cannot be understood.
[[nodiscard]] std::optional<StatusFile> read_status_file(const std::filesystem::path& run_folder);

}  // namespace fer_ddp
