#include "status/status_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/host.h"
#include "core/run_log.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

fs::path status_path(const fs::path& run_folder) { return run_folder / "status.json"; }

}  // namespace

void write_status_file(const fs::path& run_folder, const std::string& address, const std::string& run) {
  const nlohmann::ordered_json status = {
      {"address", address}, {"pid", getpid()}, {"host", host_name()}, {"run", run}, {"started", timestamp_now()}};
  write_file_atomically(status_path(run_folder), status.dump(2) + "\n");
}

void remove_status_file(const fs::path& run_folder) noexcept {
  std::error_code ignored;
  fs::remove(status_path(run_folder), ignored);
}

std::optional<StatusFile> read_status_file(const fs::path& run_folder) {
  const fs::path path = status_path(run_folder);
  if (!fs::exists(path)) return std::nullopt;
  try {
    const auto status = nlohmann::json::parse(read_file(path));
    return StatusFile{.address = status.at("address").get<std::string>(),
                      .host = status.at("host").get<std::string>(),
                      .run = status.at("run").get<std::string>()};
  } catch (const nlohmann::json::exception&) {
    throw user_error(fmt::format("{}: not as a run writes it", path.string()),
                     "Give the service's address, as HOST:PORT.");
  }
}

}  // namespace fer_ddp
