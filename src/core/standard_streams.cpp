#include "core/standard_streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "core/error.h"

namespace fer_ddp {

namespace {

constexpr int kUsualWidth = 80;
constexpr const char* kEraseLine = "\r\x1b[K";

}  // namespace

void prepare_standard_streams() {
  // In rising order: open() takes the lowest number that is free.
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    static_cast<void>(::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
  std::signal(SIGPIPE, SIG_IGN);
}

void print_result(std::string_view text) {
  errno = 0;
  const bool taken = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) == 0 && taken) return;
  throw machine_error(fmt::format("standard output cannot be written: {}", errno_text(errno)));
}

MessageStream::MessageStream(std::FILE* stream) : stream_(stream), is_terminal_(::isatty(::fileno(stream)) == 1) {}

int MessageStream::columns() const {
  winsize size{};
  const bool known = ::ioctl(::fileno(stream_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : kUsualWidth) - 1;
}

void MessageStream::say(std::string_view line) {
  const std::scoped_lock lock(mutex_);
  std::string text(drawn_ ? kEraseLine : "");
  drawn_ = false;
  write(text.append(line).append("\n"));
}

void MessageStream::redraw(std::string_view line) {
  if (!is_terminal_) return;
  const std::scoped_lock lock(mutex_);
  drawn_ = true;
  write(std::string(kEraseLine).append(line));
}

void MessageStream::wipe() {
  const std::scoped_lock lock(mutex_);
  if (drawn_) write(kEraseLine);
  drawn_ = false;
}

// In one call, so that lines of several processes do not mix. What the stream does not take is lost, and later lines
// are tried anew.
void MessageStream::write(std::string_view text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stream_));
  std::fflush(stream_);
  std::clearerr(stream_);
}

}  // namespace fer_ddp
