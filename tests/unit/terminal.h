// A pseudo-terminal for tests of what is drawn on one.
#pragma once

#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace fer_ddp {

// A terminal of `columns` columns that nobody looks at but the test.
class Terminal {
 public:
  explicit Terminal(uint16_t columns) {
    winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    int drawing_end = -1;
    if (::openpty(&reading_end_, &drawing_end, nullptr, nullptr, &size) == 0) stream_.reset(::fdopen(drawing_end, "w"));
  }
  ~Terminal() { ::close(reading_end_); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] std::FILE* stream() const { return stream_.get(); }

  [[nodiscard]] std::string drawn() const {
    constexpr int kQuiet = 50;  // ms: a kernel thread carries it over, piece by piece
    std::string text;
    pollfd waited{.fd = reading_end_, .events = POLLIN, .revents = 0};
    while (::poll(&waited, 1, kQuiet) > 0) {
      std::array<char, 1000> piece{};
      const ssize_t bytes = ::read(reading_end_, piece.data(), piece.size());
      if (bytes <= 0) break;
      text.append(piece.data(), static_cast<size_t>(bytes));
    }
    return text;
  }

 private:
  int reading_end_ = -1;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream_{nullptr, &std::fclose};
};

}  // namespace fer_ddp
