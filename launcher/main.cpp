// fer-ddp's entry point: MPI (where launched by it), the command line, one action, one exit code on every rank.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/host.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "launcher/command.h"
#include "launcher/start_up_timeout.h"
#include "launcher/version.h"

// LeakSanitizer's, in builds that have it: it would look for leaks only at a usual exit.
extern "C" void __lsan_do_leak_check() __attribute__((weak));  // NOLINT(bugprone-reserved-identifier)

namespace fer_ddp {

namespace {

// A rank's threads wait for each other many times a step. libgomp lets them spin 300,000 times before they sleep, which
// takes the cores from whoever else is to run on them: two runs at once on two cores then take several times as long as
// one after the other (tests/bench/waiting.py). libgomp looks at this when LibTorch brings it in, and by then there may
// be other threads, beside which no variable may be set. What the user has chosen stays.
void bound_spinning() {
  if (std::getenv("GOMP_SPINCOUNT") == nullptr && std::getenv("OMP_WAIT_POLICY") == nullptr)
    ::setenv("GOMP_SPINCOUNT", "1000", 1);
}

void add_commands(CLI::App& app, Action& chosen) {
  add_train_command(app, chosen);
  add_sweep_command(app, chosen);
  add_preprocess_command(app, chosen);
  add_synthesize_command(app, chosen);
  add_verify_command(app, chosen);
  add_augment_preview_command(app, chosen);
  add_lr_find_command(app, chosen);
  add_evaluate_command(app, chosen);
  add_predict_command(app, chosen);
  add_export_command(app, chosen);
  add_replay_command(app, chosen);
  add_report_command(app, chosen);
  add_status_command(app, chosen);
  add_stop_command(app, chosen);
  add_config_command(app, chosen);
  add_network_command(app, chosen);
}

// What is wrong with the command line is wrong on every rank, so rank 0 alone says it. --help and --version end here
// too, with 0.
int explain_command_line(const CLI::App& app, const CLI::ParseError& problem, RunLog& log) {
  if (log.silent()) return problem.get_exit_code() == 0 ? 0 : static_cast<int>(Fault::kUser);
  if (problem.get_exit_code() == 0) {
    std::ostringstream asked_for;
    static_cast<void>(app.exit(problem, asked_for, asked_for));
    print_result(asked_for.str());
    return 0;
  }
  log.messages().say(user_error(problem.what(), "`fer-ddp --help` lists the commands and their options.").message());
  return static_cast<int>(Fault::kUser);
}

// An Error that all ranks agreed on is printed once and ends them alike. Any other one met this rank alone, while the
// rest may be waiting for it: it names the rank and ends the job.
int explain(Session& session, const Error& error, bool agreed) {
  Communicator& communicator = session.communicator();
  session.log.error("error", "", {{"what", error.what()}, {"advice", error.advice()}});
  if (agreed || communicator.size() == 1) {
    if (!session.log.silent()) session.log.messages().say(error.message());
    return error.exit_code();
  }
  const std::string prefix = fmt::format("rank {} on {}: ", communicator.rank(), host_name());
  const bool named = std::string_view(error.what()).starts_with("rank ");
  session.log.messages().say(named ? error.message()
                                   : Error(error.fault(), prefix + error.what(), error.advice()).message());
  communicator.abort(error.exit_code());
  return error.exit_code();  // GCC does not see that a virtual abort() never returns
}

// `action` on this rank, and its outcome as an exit code.
int run(Session& session, const Action& action) {
  try {
    return action(session);
  } catch (const AgreedError& error) {
    return explain(session, error, true);
  } catch (const Error& error) {
    return explain(session, error, false);
  } catch (const std::exception& failure) {
    session.log.error("exception", "", {{"what", failure.what()}});
    return explain(session, machine_error(first_line(failure.what())), false);
  }
}

int launch(int argument_count, char** arguments) {
  World world(kStartUpTimeout);
  RunLog log(world.communicator().rank() != 0);
  Session session{world.communicator(), log};

  CLI::App app("fer-ddp: a distributed data-parallel trainer for facial emotion recognition", "fer-ddp");
  app.set_version_flag("--version", version_text, "Print the versions of fer-ddp and of its libraries and exit");
  Action chosen;
  add_commands(app, chosen);
  int exit_code = 0;
  try {
    app.parse(argument_count, arguments);
    if (!chosen) throw CLI::CallForHelp();
    exit_code = run(session, chosen);
  } catch (const CLI::ParseError& problem) {
    exit_code = run(session, [&](Session&) { return explain_command_line(app, problem, log); });
  }
  return run(session, [&](Session&) {
    world.close();
    return exit_code;
  });
}

// Reports what goes wrong before there is a world whose rank 0 would.
[[noreturn]] void end_before_start(const Error& error) {
  MessageStream(stderr).say(error.message());
  end_job(error.exit_code());
}

}  // namespace

}  // namespace fer_ddp

int main(int argument_count, char** arguments) {
  fer_ddp::prepare_standard_streams();
  try {
    fer_ddp::bound_spinning();
    const int exit_code = fer_ddp::launch(argument_count, arguments);
    // Everything of ours has been closed. LibTorch's static objects would take their operators back one by one, which
    // takes a quarter of the time of a short command.
    if (__lsan_do_leak_check != nullptr) __lsan_do_leak_check();
    std::fflush(nullptr);
    std::_Exit(exit_code);
  } catch (const fer_ddp::Error& error) {
    fer_ddp::end_before_start(error);
  } catch (const std::exception& failure) {
    fer_ddp::end_before_start(fer_ddp::machine_error(failure.what()));
  }
}
