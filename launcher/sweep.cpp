// `fer-ddp sweep sweep.json`: trains many settings of a configuration, and compares them.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "comm/agreement.h"
#include "core/json_reader.h"
#include "core/standard_streams.h"
#include "launcher/command.h"
#include "launcher/training_commands.h"
#include "sweep/sweep_file.h"

namespace fer_ddp {

namespace {

struct SweepOptions {
  std::string file;
  std::vector<std::string> overrides;
  bool dry_run = false;
};

std::string list_of_runs(const Sweep& sweep) {
  std::string text;
  for (const SweepRun& run : sweep.runs)
    text += fmt::format("{}  {}, random_seed {}\n", run.name, setting_words(sweep.settings[run.setting]),
                        run.config.random_seed);
  return text;
}

// One rank reads the file and draws; all train what it found.
Sweep agree_on_sweep(const SweepOptions& options, Communicator& communicator) {
  std::string text;
  run_on_rank_0(communicator, [&] { text = sweep_to_json(load_sweep(options.file, options.overrides)).dump(); });
  text = broadcast_text(communicator, text);
  Sweep sweep;
  run_together(communicator, [&] { sweep = sweep_from_json(parse_json(text), options.file); });
  return sweep;
}

int run_sweep_command(const SweepOptions& options, Session& session) {
  Communicator& communicator = session.communicator();
  const Sweep sweep = agree_on_sweep(options, communicator);
  if (!options.dry_run) return load_training_commands(communicator).sweep(sweep, session);
  run_on_rank_0(communicator, [&] { print_result(list_of_runs(sweep)); });
  return 0;
}

}  // namespace

void add_sweep_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("sweep", "Trains many settings of a configuration, and compares them");
  const auto options = std::make_shared<SweepOptions>();
  command->add_option("SWEEP", options->file, "The sweep, a JSON file; the same line again goes on with it")
      ->required();
  add_override_option(*command, options->overrides);
  command->add_flag("--dry-run", options->dry_run, "Print the runs, and train none");
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_sweep_command(*options, session); }; });
}

}  // namespace fer_ddp
