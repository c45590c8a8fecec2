// A terminal that is drawn on as a whole, as `top` does: the alternate screen of standard output, of which only lines
// that changed are sent, and keys from standard input one by one where that is a terminal too. Signals that would end
// the process come as a key of their own, so that the terminal is always given back as it was, also where nobody reads
// what is written to it. One thread.
#pragma once

#include <termios.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

// SIGINT, SIGTERM and SIGHUP wait in a descriptor, for as long as this lives, in this thread and in those that it
// starts: to be made before any of them is started.
class WaitingSignals {
 public:
  WaitingSignals();
  WaitingSignals(const WaitingSignals&) = delete;
  WaitingSignals& operator=(const WaitingSignals&) = delete;
  ~WaitingSignals();

  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  sigset_t before_{};
  int descriptor_ = -1;
};

class LiveTerminal {
 public:
  struct Size {
    int columns = 80;
    int rows = 24;
    friend bool operator==(const Size&, const Size&) = default;
  };

  explicit LiveTerminal(const WaitingSignals& signals);
  LiveTerminal(const LiveTerminal&) = delete;
  LiveTerminal& operator=(const LiveTerminal&) = delete;
  ~LiveTerminal();  // the screen is as it was before

  [[nodiscard]] bool has_keys() const { return has_keys_; }
  [[nodiscard]] bool has_colours() const { return has_colours_; }
  [[nodiscard]] static Size size();  // asked anew each time: windows are resized

  // A signal, Ctrl-C, or a terminal that is gone.
  static constexpr char kEnd = '\0';

  // Waits for a key at most so long; none: nothing was pressed.
  [[nodiscard]] std::optional<char> key(std::chrono::milliseconds longest);

  // Lines joined by newlines. What the terminal does not take before a signal comes is left out. Throws Error where it
  // is gone.
  void draw(const std::string& text);

 private:
  [[nodiscard]] bool send(std::string_view text) const;  // false: a signal came before all of it was taken

  const WaitingSignals& signals_;
  int output_ = -1;   // standard output's terminal, opened anew so that its writes alone do not block
  termios before_{};  // before has_keys_, which fills it
  bool has_keys_;
  bool has_colours_;
  Size drawn_size_{0, 0};
  std::vector<std::string> drawn_;
};

// What the keys of who watches have led to: q quits, s asks whether to stop what is watched, and y then stops it.
class KeyDialogue {
 public:
  // `what` is watched, "run" or "sweep"; `stop` asks it to stop, and may throw Error.
  KeyDialogue(std::string what, bool has_keys, std::function<void()> stop);

  // What the last line of the screen says.
  [[nodiscard]] const std::string& footer() const { return footer_; }

  // False: enough seen.
  [[nodiscard]] bool answer(char key);

 private:
  [[nodiscard]] std::string stop() const;

  std::string what_;
  std::function<void()> stop_;
  std::string keys_;
  std::string footer_;
  bool asks_ = false;
};

}  // namespace fer_ddp
