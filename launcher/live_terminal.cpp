#include "launcher/live_terminal.h"

#include <fcntl.h>
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
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace fer_ddp {

namespace {

constexpr const char* kEnter = "\033[?1049h\033[?25l\033[2J";  // another screen, no cursor, empty
constexpr const char* kLeave = "\033[?25h\033[?1049l";
constexpr char kControlC = 3;

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
  descriptor_ = ::signalfd(-1, &waiting, SFD_CLOEXEC | SFD_NONBLOCK);
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
  const char* name = ::ttyname(STDOUT_FILENO);
  output_ = name == nullptr ? -1 : ::open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (output_ < 0) throw machine_error(fmt::format("the terminal cannot be opened: {}", errno_text(errno)));
  if (has_keys_) {
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    keys.c_iflag &= ~static_cast<tcflag_t>(IXON);  // Ctrl-S would halt what is drawn
    ::tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  }
  static_cast<void>(send(kEnter));
}

LiveTerminal::~LiveTerminal() {
  // In one go or not at all: a terminal that takes nothing is not waited for.
  static_cast<void>(::write(output_, kLeave, std::string_view(kLeave).size()) < 0);
  if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  ::close(output_);
}

bool LiveTerminal::send(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(output_, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<size_t>(written));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR)
      throw machine_error(fmt::format("the terminal cannot be written to: {}", errno_text(errno)));
    std::array<pollfd, 2> waited = {{{.fd = signals_.descriptor(), .events = POLLIN, .revents = 0},
                                     {.fd = output_, .events = POLLOUT, .revents = 0}}};
    static_cast<void>(::poll(waited.data(), waited.size(), -1));
    if (waited[0].revents != 0) return false;
  }
  return true;
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
    // All of them, or they would come again once signals do not wait any more.
    for (signalfd_siginfo taken{}; ::read(signals_.descriptor(), &taken, sizeof(taken)) > 0;) continue;
    return kEnd;
  }
  char pressed = kEnd;
  if (::read(STDIN_FILENO, &pressed, 1) != 1) return kEnd;
  return pressed == kControlC ? kEnd : pressed;
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
  if (!send(sent)) drawn_size_ = {0, 0};  // all of it anew, should there be a next time
}

KeyDialogue::KeyDialogue(std::string what, bool has_keys, std::function<void()> stop)
    : what_(std::move(what)),
      stop_(std::move(stop)),
      keys_(has_keys ? fmt::format("q quits   s stops the {}", what_) : "Ctrl-C quits"),
      footer_(keys_) {}

bool KeyDialogue::answer(char key) {
  if (key == LiveTerminal::kEnd) return false;
  if (asks_) {
    asks_ = false;
    footer_ = key == 'y' ? stop() : keys_;
  } else if (key == 's') {
    asks_ = true;
    footer_ = fmt::format("Stop the {}, after a checkpoint? y stops it, any other key does not", what_);
  } else if (key == 'q') {
    return false;
  }
  return true;
}

std::string KeyDialogue::stop() const {
  try {
    stop_();
    return "asked to stop: it writes a checkpoint   q quits";
  } catch (const Error& problem) {
    return fmt::format("not stopped: {}   q quits", printable_text(problem.what()));
  }
}

}  // namespace fer_ddp
