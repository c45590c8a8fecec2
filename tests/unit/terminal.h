// A pseudo-terminal for tests of what is drawn on one.
#pragma once

#include <pty.h>
#include <unistd.h>

#include <algorithm>
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
    std::string text(1000, '\0');
    text.resize(static_cast<size_t>(std::max<ssize_t>(::read(reading_end_, text.data(), text.size()), 0)));
    return text;
  }

 private:
  int reading_end_ = -1;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream_{nullptr, &std::fclose};
};

}  // namespace fer_ddp
