#include "core/run_log.h"

#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <chrono>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json_text.h"
#include "core/text.h"

namespace fer_ddp {

std::string timestamp_now() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto milliseconds = now.time_since_epoch().count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     milliseconds);
}

void RunLog::open_file(const std::filesystem::path& path) {
  const std::scoped_lock lock(mutex_);
  path_ = path;
  file_.reset(std::fopen(path.c_str(), "ae"));
  if (!file_) throw machine_error(fmt::format("{}: cannot be written: {}", path.string(), errno_text(errno)));
  write_record(std::exchange(unwritten_, {}));
}

void RunLog::close_file() {
  const std::scoped_lock lock(mutex_);
  file_.reset();
  wants_unwritten_ = false;
}

namespace {

// Whatever a file's name that the line gives has in it, but for its own line ends.
std::string printable_lines(const std::string& text) {
  std::vector<std::string> printable;
  for (const std::string_view line : lines_of(text)) printable.push_back(printable_text(line));
  return fmt::format("{}", fmt::join(printable, "\n"));
}

}  // namespace

void RunLog::write(LogLevel level, const std::string& event, const std::string& line,
                   const nlohmann::ordered_json& fields) {
  const std::scoped_lock lock(mutex_);
  if (!silent_ && !line.empty())
    messages_.say(prefix_ + (level == LogLevel::kWarning ? "warning: " : "") + printable_lines(line));
  if (!file_ && !wants_unwritten_) return;
  const char* name = level == LogLevel::kInfo ? "info" : level == LogLevel::kWarning ? "warning" : "error";
  nlohmann::ordered_json record = {{"time", timestamp_now()}, {"level", name}, {"event", event}};
  if (!line.empty()) record["message"] = line;
  if (fields.is_object()) record.update(fields);
  const std::string text = json_text(record) + "\n";
  if (file_)
    write_record(text);
  else
    unwritten_ += text;
}

void RunLog::write_record(const std::string& record) {
  const bool taken = std::fwrite(record.data(), 1, record.size(), file_.get()) == record.size();
  if ((std::fflush(file_.get()) == 0 && taken) || std::exchange(file_failed_, true)) return;
  if (!silent_)
    messages_.say(fmt::format("warning: {}: writing failed ({}), so that it lacks what is said from now on",
                              path_.string(), errno_text(errno)));
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
