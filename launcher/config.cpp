// `fer-ddp config --schema`, `--table` and `--run-folder`: what the configuration may hold, and what a run writes.
#include "core/config.h"

#include <fmt/format.h>

#include "comm/agreement.h"
#include "core/run_layout.h"
#include "core/standard_streams.h"
#include "launcher/command.h"

namespace fer_ddp {

void add_config_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("config", "Describes the configuration's keys");
  const auto print = [&chosen](std::string (*document)()) {
    chosen = [document](Session& session) {
      run_on_rank_0(session.communicator(), [&] { print_result(document() + "\n"); });
      return 0;
    };
  };
  command->add_flag_callback(
      "--schema", [print] { print([] { return config_schema().dump(2); }); }, "Print JSON Schema");
  command->add_flag_callback(
      "--table", [print] { print(config_table_markdown); }, "Print the keys as a Markdown table");
  command->add_flag_callback(
      "--run-folder", [print] { print(run_layout_markdown); }, "Print what a run's folder holds as a Markdown table");
  command->require_option(1);
}

}  // namespace fer_ddp
