// `fer-ddp stop`: asks a live run by gRPC to write a checkpoint and stop.
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "launcher/command.h"
#include "launcher/run_client.h"
#include "launcher/sweep_client.h"

namespace fer_ddp {

void add_stop_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("stop", "Asks a live run, or all of a sweep, to write a checkpoint and stop");
  const auto choice = std::make_shared<RunChoice>();
  add_run_choice_options(*command, *choice);
  command->callback([choice, &chosen] {
    chosen = [choice](Session& session) {
      run_on_rank_0(session.communicator(), [&] {
        if (means_sweep(*choice)) {
          stop_sweep(*choice, session.log);
          return;
        }
        ask_run(*choice, [&](const AskedRun& run) {
          run.client.request_stop();
          session.log.info("stop", fmt::format("run {} was asked to write a checkpoint and stop", run.name));
        });
      });
      return 0;
    };
  });
}

}  // namespace fer_ddp
