// `fer-ddp status` and `fer-ddp stop`: ask a live run by gRPC.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "comm/agreement.h"
#include "core/error.h"
#include "launcher/command.h"
#include "launcher/live_run.h"
#include "status/client.h"
#include "status/status_text.h"

namespace fer_ddp {

namespace {

struct StatusOptions {
  LiveRunChoice choice;
  bool watch = false;
  bool json = false;
};

constexpr double kUpdatesPerSecond = 4.0;

int terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// Draws over the screen it drew before.
class Screen {
 public:
  void show(const std::string& text) {
    if (lines_ > 0) fmt::print("\033[{}A", lines_);
    std::string cleared;
    for (const char c : text) cleared += c == '\n' ? std::string("\033[K\n") : std::string(1, c);
    fmt::print("{}\033[J", cleared);
    std::fflush(stdout);
    lines_ = std::count(text.begin(), text.end(), '\n');
  }

 private:
  ptrdiff_t lines_ = 0;
};

void watch(StatusClient& client, bool json) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  Screen screen;
  client.watch(kUpdatesPerSecond, [&](const StatusClient::Answer& answer) {
    if (json || !terminal) {
      fmt::print("{}\n", json ? answer.json : status_line(answer.snapshot));
      std::fflush(stdout);
    } else {
      screen.show(status_screen(answer.snapshot, terminal_width()));
    }
  });
}

void ask(const StatusOptions& options) {
  const LiveRun run = find_live_run(options.choice);
  try {
    StatusClient client(run.address);
    if (options.watch) return watch(client, options.json);
    const StatusClient::Answer answer = client.status();
    fmt::print("{}", options.json ? answer.json + "\n" : status_screen(answer.snapshot, terminal_width()));
  } catch (const Error& problem) {
    if (run.folder.empty()) throw machine_error(problem.what());
    throw machine_error(over_text(run.folder));
  }
}

void add_choice(CLI::App& command, LiveRunChoice& choice) {
  command.add_option("ADDRESS", choice.address, "HOST:PORT of the run's status service");
  command.add_option("--run", choice.run, "The run's folder");
}

}  // namespace

void add_status_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("status", "Asks a live run how it goes");
  const auto options = std::make_shared<StatusOptions>();
  add_choice(*command, options->choice);
  command->add_flag("--watch", options->watch, "Go on showing it until the run ends");
  command->add_flag("--json", options->json, "Print one JSON object (with --watch, one a line)");
  command->callback([options, &chosen] {
    chosen = [options](Session& session) {
      run_on_rank_0(session.communicator(), [&] { ask(*options); });
      return 0;
    };
  });
}

void add_stop_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("stop", "Asks a live run to write a checkpoint and stop");
  const auto choice = std::make_shared<LiveRunChoice>();
  add_choice(*command, *choice);
  command->callback([choice, &chosen] {
    chosen = [choice](Session& session) {
      run_on_rank_0(session.communicator(), [&] {
        const LiveRun run = find_live_run(*choice);
        StatusClient(run.address).request_stop();
        session.log.info("stop", fmt::format("{}: asked to write a checkpoint and stop", run.name));
      });
      return 0;
    };
  });
}

}  // namespace fer_ddp
