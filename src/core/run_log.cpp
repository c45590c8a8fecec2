#include "core/run_log.h"

#include <fmt/chrono.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "core/error.h"

namespace fer_ddp {

std::string timestamp_now() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto milliseconds = now.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     milliseconds);
}

void RunLog::open_file(const std::filesystem::path& path) {
  const std::scoped_lock lock(mutex_);
  file_.reset(std::fopen(path.c_str(), "a"));
  if (!file_) throw machine_error(fmt::format("{}: cannot be written: {}", path.string(), errno_text(errno)));
  fmt::print(file_.get(), "{}", std::exchange(unwritten_, {}));
  std::fflush(file_.get());
}

void RunLog::close_file() {
  const std::scoped_lock lock(mutex_);
  file_.reset();
  wants_unwritten_ = false;
}

void RunLog::write(LogLevel level, const std::string& event, const std::string& line,
                   const nlohmann::ordered_json& fields) {
  const std::scoped_lock lock(mutex_);
  if (!silent_ && !line.empty()) fmt::print(stderr, "{}{}\n", level == LogLevel::kWarning ? "warning: " : "", line);
  if (!file_ && !wants_unwritten_) return;
  const char* name = level == LogLevel::kInfo ? "info" : level == LogLevel::kWarning ? "warning" : "error";
  nlohmann::ordered_json record = {{"time", timestamp_now()}, {"level", name}, {"event", event}};
  if (!line.empty()) record["message"] = line;
  if (fields.is_object()) record.update(fields);
  const std::string text = record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (!file_) {
    unwritten_ += text;
    return;
  }
  fmt::print(file_.get(), "{}", text);
  std::fflush(file_.get());
}

void RunLog::info(const std::string& event, const std::string& line, const nlohmann::ordered_json& fields) {
  write(LogLevel::kInfo, event, line, fields);
}
void RunLog::warning(const std::string& event, const std::string& line, const nlohmann::ordered_json& fields) {
  write(LogLevel::kWarning, event, line, fields);
}
void RunLog::error(const std::string& event, const std::string& line, const nlohmann::ordered_json& fields) {
  write(LogLevel::kError, event, line, fields);
}

}  // namespace fer_ddp
