// The process's standard streams: results of commands on standard output, lines for people on standard error. Whoever
// started the process may have closed them, may stop reading, or may have sent them to a full disk. A result that
// cannot be written is an error; a line for people that cannot be written is lost, and nothing else happens.
#pragma once

#include <cstdio>
#include <mutex>
#include <string_view>

namespace fer_ddp {

// To be called first in main(): a standard stream that was closed is opened on /dev/null, in the direction that fails,
// so that no file of ours gets its number; and a closed pipe is an error of write() from now on, no signal.
void prepare_standard_streams();

// A command's proper result. Throws Error if standard output does not take all of it.
void print_result(std::string_view text);

// Lines for people on one stream, and below them at most one more that is redrawn in place while it is a terminal.
// Thread-safe: a mutex serialises writers. No function throws or fails.
class MessageStream {
 public:
  explicit MessageStream(std::FILE* stream);
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;

  [[nodiscard]] bool is_terminal() const { return is_terminal_; }

  // The terminal's columns, less the last one, in which some terminals wrap. Asked anew each time: windows are resized.
  [[nodiscard]] int columns() const;

  // Writes a line (without its end) that stays. The redrawn one is wiped first.
  void say(std::string_view line);

  // Draws `line` in place of the redrawn one before; nothing where there is no terminal.
  void redraw(std::string_view line);

  // Wipes the redrawn line, if there is one.
  void wipe();

 private:
  void write(std::string_view text);

  std::FILE* stream_;
  bool is_terminal_;
  std::mutex mutex_;
  bool drawn_ = false;
};

}  // namespace fer_ddp
