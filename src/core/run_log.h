// What a command says while it runs: lines for people on standard error (rank 0 alone) and, once a run's folder is
// known, the same events as JSON objects in log.jsonl, one a line: {"time": "2026-01-31T12:00:00.000Z", "level":
// "info", "event": "...", ...}. Thread-safe. Neither stream ever ends a run: what standard error does not take is lost,
// and where log.jsonl cannot be written any more, people are told so once.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/standard_streams.h"

namespace fer_ddp {

enum class LogLevel { kInfo, kWarning, kError };

class RunLog {
 public:
  // A silent log writes nothing to standard error: ranks other than 0. `prefix` stands before each line there: where
  // several runs share a terminal.
  explicit RunLog(bool silent, std::string prefix = {}) : silent_(silent), prefix_(std::move(prefix)) {}

  // Appends to `path` from now on, and first what was said before. Throws Error if it cannot be opened.
  void open_file(const std::filesystem::path& path);

  // Nothing goes to the file any more: it belongs to somebody else now.
  void close_file();

  // A line for people, and an event with `fields` (an object) for programs. An empty `line` says nothing to people.
  void info(const std::string& event, const std::string& line, const nlohmann::ordered_json& fields = {});
  void warning(const std::string& event, const std::string& line, const nlohmann::ordered_json& fields = {});
  void error(const std::string& event, const std::string& line, const nlohmann::ordered_json& fields = {});

  // Nothing more goes to standard error.
  void fall_silent() { silent_ = true; }

  [[nodiscard]] bool silent() const { return silent_; }

  // Whether others write to the same terminal, so that no line can be redrawn in place.
  [[nodiscard]] bool shares_terminal() const { return !prefix_.empty(); }

  // Standard error, for what is said on other ranks than 0 as well, and for a line that is redrawn in place.
  [[nodiscard]] MessageStream& messages() { return messages_; }

 private:
  void write(LogLevel level, const std::string& event, const std::string& line, const nlohmann::ordered_json& fields);

  void write_record(const std::string& record);

  bool silent_;
  std::string prefix_;
  MessageStream messages_{stderr};
  std::mutex mutex_;             // guards what follows
  std::string unwritten_;        // until there is a file
  bool wants_unwritten_ = true;  // none of it once the file was closed
  std::filesystem::path path_;
  bool file_failed_ = false;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
};

// The moment as "2026-01-31T12:00:00.000Z" (UTC).
[[nodiscard]] std::string timestamp_now();

}  // namespace fer_ddp
