#include "launcher/sweep_watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "core/standard_streams.h"
#include "core/text.h"
#include "launcher/live_terminal.h"
#include "launcher/sweep_client.h"

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kBetweenLooks{1};
constexpr std::chrono::milliseconds kKeyPause{100};
constexpr std::chrono::seconds kPatience{20};  // between two runs, and with whoever begins

// What is seen again and again, and when to give up.
class Observed {
 public:
  explicit Observed(const RunChoice& choice) : look_(choice) {}

  // Throws Error (the machine's fault) where the sweep is over at the first look already, and where nobody has trained
  // it for a while.
  void look() {
    last_ = look_.status();
    if (looks_++ == 0 && last_.is_over) throw machine_error(look_.over_words());
    const Clock::time_point now = Clock::now();
    if (last_.is_alive || last_.has_ended()) alive_ = now;
    if (now - alive_ > kPatience)
      throw machine_error(fmt::format("nobody has trained sweep {} for {} s", look_.name(), kPatience.count()),
                          "The same `fer-ddp sweep` line goes on with it.");
  }

  [[nodiscard]] const SweepStatus& last() const { return last_; }

  // Once it has ended.
  [[nodiscard]] std::string words() const {
    return last_.is_over ? look_.over_words() + "\n"
                         : fmt::format("sweep {} was stopped; the same line goes on with it\n", look_.name());
  }

 private:
  SweepLook look_;
  SweepStatus last_{};
  int64_t looks_ = 0;
  Clock::time_point alive_ = Clock::now();
};

// Looks each second on a thread of its own, so that keys are answered while a run is silent.
class Observer {
 public:
  explicit Observer(Observed& observed)
      : observed_(observed), thread_([this](const std::stop_token& stop) { go_on(stop); }) {}
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  ~Observer() = default;

  // Throws what looking has thrown.
  [[nodiscard]] SweepStatus last() {
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
    return last_;
  }

 private:
  void go_on(const std::stop_token& stop) {
    try {
      while (!stop.stop_requested()) {
        observed_.look();
        std::unique_lock lock(mutex_);
        last_ = observed_.last();
        if (last_.has_ended()) return;
        wake_.wait_for(lock, stop, kBetweenLooks, [] { return false; });
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
    }
  }

  Observed& observed_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  SweepStatus last_;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: it ends before what it uses
};

// As much of it as the terminal holds, above the footer.
std::string screen_of(std::string_view text, const std::string& footer, LiveTerminal::Size size) {
  const std::vector<std::string_view> lines = lines_of(text);
  const auto room = static_cast<size_t>(std::max(size.rows - 1, 0));
  const size_t shown = lines.size() <= room ? lines.size() : room - std::min<size_t>(room, 1);
  std::string screen;
  for (size_t i = 0; i < shown; ++i) screen += fitted_to_columns(lines[i], size.columns) + "\n";
  if (shown < room)
    screen += fitted_to_columns(shown < lines.size() ? fmt::format("... and {} more", lines.size() - shown) : "",
                                size.columns) +
              "\n";
  return screen + fitted_to_columns(footer, size.columns);
}

void watch_on_terminal(const RunChoice& choice, Observed& observed, const WaitingSignals& signals) {
  Observer observer(observed);  // gone after the terminal is as it was: it may be waiting for an answer
  LiveTerminal terminal(signals);
  RunLog silent(true);
  KeyDialogue dialogue("sweep", terminal.has_keys(), [&] { stop_sweep(choice, silent); });
  for (;;) {
    const SweepStatus last = observer.last();
    if (last.has_ended()) return;
    terminal.draw(screen_of(last.text, dialogue.footer(), LiveTerminal::size()));
    const std::optional<char> key = terminal.key(kKeyPause);
    if (key && !dialogue.answer(*key)) return;
  }
}

void watch_lines(Observed& observed, bool json) {
  std::string before;
  for (;;) {
    const std::string& now = json ? observed.last().json : observed.last().text;
    const std::vector<std::string_view> known = lines_of(before);
    std::string news;
    for (const std::string_view line : lines_of(now))
      if (std::find(known.begin(), known.end(), line) == known.end()) news += std::string(line) + "\n";
    if (!news.empty()) print_result(news);
    before = now;
    if (observed.last().has_ended()) return;
    std::this_thread::sleep_for(kBetweenLooks);
    observed.look();
  }
}

}  // namespace

void show_sweep(const RunChoice& choice, SweepShow show) {
  const bool on_terminal = show.watch && !show.json && isatty(STDOUT_FILENO) != 0;
  std::optional<WaitingSignals> signals;  // before the client, which starts threads
  if (on_terminal) signals.emplace();
  Observed observed(choice);
  if (on_terminal) {
    watch_on_terminal(choice, observed, *signals);
    signals.reset();
    print_result(observed.last().text);
  } else {
    observed.look();
    if (!show.watch) {
      print_result(show.json ? observed.last().json + "\n" : observed.last().text);
      return;
    }
    watch_lines(observed, show.json);
  }
  if (!show.json && observed.last().has_ended()) print_result(observed.words());
}

}  // namespace fer_ddp
