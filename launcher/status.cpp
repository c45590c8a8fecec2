// `fer-ddp status`: asks a live run by gRPC how it goes, once or until it ends.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/standard_streams.h"
#include "launcher/command.h"
#include "launcher/run_client.h"
#include "status/status_text.h"

namespace fer_ddp {

namespace {

struct StatusOptions {
  RunChoice choice{};
  bool watch = false;
  bool json = false;
};

constexpr double kUpdatesPerSecond = 4.0;

struct TerminalSize {
  int columns = 80;
  int rows = 1000;  // without a terminal nothing is cut
};

// Asked anew each time: windows are resized.
TerminalSize terminal_size() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {.columns = 1000};
  return {.columns = size.ws_col, .rows = std::max(1, size.ws_row - 1)};
}

// A text in a terminal that is drawn over by the next one.
class Screen {
 public:
  void show(const std::string& text) {
    std::string drawn = lines_ > 0 ? fmt::format("\033[{}A", lines_) : "";
    for (const char c : text) drawn += c == '\n' ? std::string("\033[K\n") : std::string(1, c);
    print_result(drawn + "\033[J");
    lines_ = std::count(text.begin(), text.end(), '\n');
  }

 private:
  ptrdiff_t lines_ = 0;
};

void watch(const AskedRun& run, bool json) {
  const bool redraw = !json && isatty(STDOUT_FILENO) != 0;
  Screen screen;
  RunPhase phase = RunPhase::kStarting;
  run.client.watch(kUpdatesPerSecond, [&](const StatusClient::Answer& answer) {
    phase = answer.snapshot.phase;
    const TerminalSize size = terminal_size();
    if (redraw) {
      screen.show(status_screen(answer.snapshot, size.columns, size.rows));
    } else {
      print_result((json ? answer.json : status_line(answer.snapshot)) + "\n");
    }
  });
  if (phase != RunPhase::kDone) throw machine_error(fmt::format("run {} broke off before it was done", run.name));
}

void show_once(const AskedRun& run, bool json) {
  const StatusClient::Answer answer = run.client.status();
  const TerminalSize size = terminal_size();
  print_result(json ? answer.json + "\n" : status_screen(answer.snapshot, size.columns, size.rows));
}

}  // namespace

void add_status_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("status", "Asks a live run how it goes");
  const auto options = std::make_shared<StatusOptions>();
  add_run_choice_options(*command, options->choice);
  command->add_flag("--watch", options->watch, "Go on showing it until the run ends");
  command->add_flag("--json", options->json, "Print one JSON object (with --watch, one a line)");
  command->callback([options, &chosen] {
    chosen = [options](Session& session) {
      run_on_rank_0(session.communicator(), [&] {
        ask_run(options->choice, [&](const AskedRun& run) {
          options->watch ? watch(run, options->json) : show_once(run, options->json);
        });
      });
      return 0;
    };
  });
}

}  // namespace fer_ddp
