// `fer-ddp status`: asks a live run by gRPC how it goes, once or until it ends: on a terminal as a screen with curves
// and keys, elsewhere a line a change; of a sweep all live runs, a line each.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/standard_streams.h"
#include "launcher/command.h"
#include "launcher/live_terminal.h"
#include "launcher/run_client.h"
#include "launcher/sweep_client.h"
#include "launcher/sweep_watch.h"
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

// Returns the last status that was seen, and whether the stream ended by itself.
Follower::State watch_live(const AskedRun& run, const WaitingSignals& signals) {
  LiveTerminal terminal(signals);
  Follower follower(run.client);
  KeyDialogue dialogue("run", terminal.has_keys(), [&run] { run.client.request_stop(); });
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
          show_sweep(options->choice, {.watch = options->watch, .json = options->json});
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
