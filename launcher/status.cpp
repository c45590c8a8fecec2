// `fer-ddp status`: asks a live run by gRPC how it goes, once or until it ends: on a terminal as a screen with curves
// and keys, elsewhere a line a change; of a sweep all live runs, a line each.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "launcher/command.h"
#include "launcher/live_terminal.h"
#include "launcher/run_client.h"
#include "launcher/sweep_client.h"
#include "status/live_view.h"
#include "status/status_text.h"

namespace fer_ddp {

namespace {

struct StatusOptions {
  RunChoice choice{};
  bool watch = false;
  bool json = false;
};

constexpr double kUpdatesPerSecond = 4.0;
constexpr std::chrono::milliseconds kKeyPause{100};
constexpr int kAllColumns = 1000;  // without a terminal nothing is cut
constexpr int kAllRows = 1000;

bool is_on_terminal(const StatusOptions& options) { return !options.json && isatty(STDOUT_FILENO) != 0; }

// Follows a run's stream on a thread of its own, so that keys are answered while nothing comes.
class Follower {
 public:
  explicit Follower(StatusClient& client) : client_(client), thread_([this] { follow(); }) {}
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;
  ~Follower() { client_.end_watch(); }

  struct State {
    std::optional<StatusSnapshot> snapshot{};  // none has come yet
    std::vector<EpochRecord> history{};
    bool ended = false;
  };

  // Throws what following it has thrown.
  [[nodiscard]] State state() {
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
    return state_;
  }

 private:
  void follow() {
    std::exception_ptr failure;
    try {
      client_.watch(kUpdatesPerSecond, [this](const StatusClient::Answer& answer) { take(answer.snapshot); });
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    state_.ended = true;
  }

  // Asks for the finished epochs only where there is a new one.
  void take(const StatusSnapshot& snapshot) {
    const size_t finished = snapshot.latest_epoch ? static_cast<size_t>(snapshot.latest_epoch->epoch) + 1 : 0;
    std::optional<std::vector<EpochRecord>> history;
    if (finished != state_.history.size()) {  // which this thread alone writes
      try {
        history = client_.history();
      } catch (const Error&) {  // the service may be ending: the stream says how the run did
      }
    }
    const std::lock_guard lock(mutex_);
    state_.snapshot = snapshot;
    if (history) state_.history = std::move(*history);
  }

  StatusClient& client_;
  std::mutex mutex_;
  State state_;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: it ends before what it uses
};

// What the keys have led to so far.
class Dialogue {
 public:
  // `what` is watched, "run" or "sweep"; `stop` asks it to stop.
  Dialogue(std::string what, bool has_keys, std::function<void()> stop)
      : what_(std::move(what)),
        stop_(std::move(stop)),
        keys_(has_keys ? fmt::format("q quits   s stops the {}", what_) : "Ctrl-C quits"),
        footer_(keys_) {}

  [[nodiscard]] const std::string& footer() const { return footer_; }

  // False: enough seen.
  bool answer(char key) {
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

 private:
  [[nodiscard]] std::string stop() const {
    try {
      stop_();
      return "asked to stop: it writes a checkpoint   q quits";
    } catch (const Error& problem) {
      return fmt::format("not stopped: {}   q quits", problem.what());
    }
  }

  std::string what_;
  std::function<void()> stop_;
  std::string keys_;
  std::string footer_;
  bool asks_ = false;
};

// Returns the last status that was seen, and whether the stream ended by itself.
Follower::State watch_live(const AskedRun& run, const WaitingSignals& signals) {
  LiveTerminal terminal(signals);
  Follower follower(run.client);
  Dialogue dialogue("run", terminal.has_keys(), [&run] { run.client.request_stop(); });
  for (;;) {
    Follower::State state = follower.state();
    if (state.ended) return state;
    const LiveTerminal::Size size = LiveTerminal::size();
    if (state.snapshot)
      terminal.draw(live_view(*state.snapshot, state.history, dialogue.footer(),
                              {.columns = size.columns, .rows = size.rows, .colours = terminal.has_colours()}));
    const std::optional<char> key = terminal.key(kKeyPause);
    if (key && !dialogue.answer(*key)) return state;
  }
}

void require_done(const AskedRun& run, const std::optional<StatusSnapshot>& last) {
  if (!last || last->phase != RunPhase::kDone)
    throw machine_error(fmt::format("run {} broke off before it was done", run.name));
}

void watch_lines(const AskedRun& run, bool json) {
  std::optional<StatusSnapshot> last;
  run.client.watch(kUpdatesPerSecond, [&](const StatusClient::Answer& answer) {
    last = answer.snapshot;
    print_result((json ? answer.json : status_line(answer.snapshot)) + "\n");
  });
  require_done(run, last);
}

// What was seen last stays on the terminal.
void watch(const AskedRun& run, std::optional<WaitingSignals>& signals) {
  const Follower::State last = watch_live(run, *signals);
  signals.reset();
  if (last.snapshot) print_result(status_screen(*last.snapshot, LiveTerminal::size().columns, kAllRows));
  if (last.ended) require_done(run, last.snapshot);
}

void show_once(const AskedRun& run, bool json) {
  const StatusClient::Answer answer = run.client.status();
  const int columns = isatty(STDOUT_FILENO) != 0 ? LiveTerminal::size().columns : kAllColumns;
  print_result(json ? answer.json + "\n" : status_screen(answer.snapshot, columns, kAllRows));
}

// A sweep that is looked at again and again.
class SweepWatch {
 public:
  explicit SweepWatch(const StatusOptions& options) : options_(options) {}

  // Throws Error (the machine's fault) where nobody seems to train it.
  void look() {
    constexpr std::chrono::seconds kPatience{60};
    last_ = sweep_status(options_.choice, options_.json);
    const auto now = std::chrono::steady_clock::now();
    if (last_.live > 0 || is_over()) answered_ = now;
    if (now - answered_ > kPatience)
      throw machine_error(
          fmt::format("{}: no run has answered for {} s", options_.choice.run, kPatience.count()),
          "Runs whose status_address is null never do; else the same `fer-ddp sweep` line again goes on with it.");
  }

  [[nodiscard]] const SweepStatus& last() const { return last_; }
  [[nodiscard]] bool is_over() const { return !last_.over.empty(); }

 private:
  const StatusOptions& options_;
  SweepStatus last_;
  std::chrono::steady_clock::time_point answered_ = std::chrono::steady_clock::now();
};

constexpr std::chrono::seconds kBetweenLooks{1};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  if (!text.empty()) lines.push_back(text);
  return lines;
}

// As much of it as the terminal holds.
std::string sweep_screen(const SweepStatus& status, const std::string& footer, LiveTerminal::Size size) {
  const std::vector<std::string_view> lines = lines_of(status.text);
  const size_t room = static_cast<size_t>(std::max(size.rows, 4)) - 2;
  const size_t shown = lines.size() <= room ? lines.size() : room - 1;
  std::string screen;
  for (size_t i = 0; i < shown; ++i) screen += fitted_to_columns(lines[i], size.columns) + "\n";
  if (shown < lines.size())
    screen += fitted_to_columns(fmt::format("... and {} more", lines.size() - shown), size.columns) + "\n";
  return screen + "\n" + fitted_to_columns(footer, size.columns);
}

void watch_sweep_live(const StatusOptions& options, SweepWatch& watch, const WaitingSignals& signals) {
  LiveTerminal terminal(signals);
  RunLog silent(true);
  Dialogue dialogue("sweep", terminal.has_keys(), [&] { stop_sweep(options.choice, silent); });
  auto looked = std::chrono::steady_clock::now();
  while (!watch.is_over()) {
    terminal.draw(sweep_screen(watch.last(), dialogue.footer(), LiveTerminal::size()));
    const std::optional<char> key = terminal.key(kKeyPause);
    if (key && !dialogue.answer(*key)) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - looked < kBetweenLooks) continue;
    looked = now;
    watch.look();
  }
}

// Each line that was not there at the look before; of JSON, each object.
void watch_sweep_lines(SweepWatch& watch) {
  for (std::string before; !watch.is_over(); watch.look()) {
    const std::vector<std::string_view> known = lines_of(before);
    std::string news;
    for (const std::string_view line : lines_of(watch.last().text))
      if (std::find(known.begin(), known.end(), line) == known.end()) news += std::string(line) + "\n";
    if (!news.empty()) print_result(news);
    before = watch.last().text;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

void show_sweep(const StatusOptions& options) {
  std::optional<WaitingSignals> signals;  // before the client, which starts threads
  if (options.watch && is_on_terminal(options)) signals.emplace();
  SweepWatch watch(options);
  watch.look();
  if (watch.is_over()) throw machine_error(watch.last().over);
  if (signals)
    watch_sweep_live(options, watch, *signals);
  else if (options.watch)
    watch_sweep_lines(watch);
  signals.reset();
  if (!options.json && watch.is_over()) print_result(watch.last().over + "\n");
  if (!options.watch || (is_on_terminal(options) && !watch.is_over())) print_result(watch.last().text);
}

}  // namespace

void add_status_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("status", "Asks a live run how it goes, or a sweep");
  const auto options = std::make_shared<StatusOptions>();
  add_run_choice_options(*command, options->choice);
  command->add_flag("--watch", options->watch, "Go on showing it until the run, or the sweep, ends");
  command->add_flag("--json", options->json, "Print one JSON object (with --watch, one a line)");
  command->callback([options, &chosen] {
    chosen = [options](Session& session) {
      run_on_rank_0(session.communicator(), [&] {
        if (means_sweep(options->choice)) {
          show_sweep(*options);
          return;
        }
        // Before the client, which starts threads.
        std::optional<WaitingSignals> signals;
        if (options->watch && is_on_terminal(*options)) signals.emplace();
        ask_run(options->choice, [&](const AskedRun& run) {
          if (signals)
            watch(run, signals);
          else if (options->watch)
            watch_lines(run, options->json);
          else
            show_once(run, options->json);
        });
      });
      return 0;
    };
  });
}

}  // namespace fer_ddp
