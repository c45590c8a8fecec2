#include "status/status_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/host.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/run_layout.h"
#include "core/run_log.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

fs::path status_path(const fs::path& run_folder) { return run_folder / run_file::kStatus; }

nlohmann::ordered_json or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

std::string text_or_empty(const nlohmann::ordered_json& status, const char* key) {
  const auto& value = status.at(key);
  return value.is_null() ? std::string() : value.get<std::string>();
}

bool is_own(const fs::path& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0 && facts.st_uid == geteuid();
}

}  // namespace

void write_status_file(const fs::path& run_folder, const StatusFile& file, const PublishCheck& check) {
  const nlohmann::ordered_json status = {{"address", or_null(file.address)},
                                         {"pid", getpid()},
                                         {"host", host_name()},
                                         {"run", file.run},
                                         {"started", timestamp_now()},
                                         {"metrics_address", or_null(file.metrics_address)},
                                         {"tls_certificate", or_null(file.tls_certificate)},
                                         {"tls_client_ca", or_null(file.tls_client_ca)},
                                         {"token_file", or_null(file.token_file)}};
  write_file_atomically(status_path(run_folder), json_text(status, 2) + "\n", check);
}

void remove_status_file(const fs::path& run_folder) noexcept {
  std::error_code ignored;
  fs::remove(status_path(run_folder), ignored);
}

std::optional<StatusFile> read_status_file(const fs::path& run_folder) {
  const fs::path path = status_path(run_folder);
  if (!fs::exists(path)) return std::nullopt;
  try {
    const auto status = parse_json(read_file(path, kMostTextBytes));
    return StatusFile{.address = text_or_empty(status, "address"),
                      .host = status.at("host").get<std::string>(),
                      .run = status.at("run").get<std::string>(),
                      .metrics_address = text_or_empty(status, "metrics_address"),
                      .tls_certificate = text_or_empty(status, "tls_certificate"),
                      .tls_client_ca = text_or_empty(status, "tls_client_ca"),
                      .token_file = text_or_empty(status, "token_file"),
                      .own = is_own(path)};
  } catch (const nlohmann::json::exception&) {
    throw user_error(fmt::format("{}: not as a run writes it", path.string()),
                     "Give the service's address, as HOST:PORT.");
  }
}

}  // namespace fer_ddp
