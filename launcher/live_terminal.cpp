#include "launcher/live_terminal.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "core/error.h"
#include "core/standard_streams.h"

namespace fer_ddp {

namespace {

constexpr const char* kEnter = "\033[?1049h\033[?25l\033[2J";  // another screen, no cursor, empty
constexpr const char* kLeave = "\033[?25h\033[?1049l";
constexpr char kControlC = 3;

// Written past print_result(): a destructor does not throw.
void give_screen_back() {
  const std::string_view text = kLeave;
  static_cast<void>(::write(STDOUT_FILENO, text.data(), text.size()) < 0);
}

bool wants_colours() {
  const char* refused = std::getenv("NO_COLOR");  // no-color.org
  const char* terminal = std::getenv("TERM");
  return (refused == nullptr || *refused == '\0') && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

WaitingSignals::WaitingSignals() {
  sigset_t waiting;
  sigemptyset(&waiting);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&waiting, number);
  pthread_sigmask(SIG_BLOCK, &waiting, &before_);
  descriptor_ = ::signalfd(-1, &waiting, SFD_CLOEXEC);
  if (descriptor_ < 0) {
    const int reason = errno;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    throw machine_error(fmt::format("signals cannot be waited for: {}", errno_text(reason)));
  }
}

WaitingSignals::~WaitingSignals() {
  ::close(descriptor_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

LiveTerminal::LiveTerminal(const WaitingSignals& signals)
    : signals_(signals), has_keys_(::tcgetattr(STDIN_FILENO, &before_) == 0), has_colours_(wants_colours()) {
  if (has_keys_) {
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  }
  try {
    print_result(kEnter);
  } catch (...) {
    if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    throw;
  }
}

LiveTerminal::~LiveTerminal() {
  give_screen_back();
  if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

LiveTerminal::Size LiveTerminal::size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

std::optional<char> LiveTerminal::key(std::chrono::milliseconds longest) {
  std::array<pollfd, 2> waited = {{{.fd = signals_.descriptor(), .events = POLLIN, .revents = 0},
                                   {.fd = has_keys_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}}};
  if (::poll(waited.data(), waited.size(), static_cast<int>(longest.count())) <= 0) return std::nullopt;
  if (waited[0].revents != 0) {
    signalfd_siginfo taken{};  // read, or it would come again once signals do not wait any more
    static_cast<void>(::read(signals_.descriptor(), &taken, sizeof(taken)) < 0);
    return 'q';
  }
  char pressed = 'q';
  if (::read(STDIN_FILENO, &pressed, 1) != 1) return 'q';
  return pressed == kControlC ? 'q' : pressed;
}

void LiveTerminal::draw(const std::string& text) {
  const Size now = size();
  std::string sent;
  if (now != drawn_size_) {
    drawn_.clear();
    drawn_size_ = now;
    sent += "\033[2J";
  }
  const std::vector<std::string> lines = lines_of(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i < drawn_.size() && drawn_[i] == lines[i]) continue;
    sent += fmt::format("\033[{};1H{}\033[K", i + 1, lines[i]);
  }
  if (drawn_.size() > lines.size()) sent += fmt::format("\033[{};1H\033[J", lines.size() + 1);
  drawn_ = lines;
  if (!sent.empty()) print_result(sent);
}

}  // namespace fer_ddp
