// `fer-ddp --config exp.json` and `fer-ddp train --config exp.json`.
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "launcher/command.h"
#include "launcher/run_reader.h"
#include "launcher/training_commands.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct TrainOptions {
  std::string config;
  std::vector<std::string> overrides;
  std::vector<std::string> resume;  // at most one folder
  bool resume_given = false;
  bool overwrite = false;
  bool print_config = false;
  bool profile = false;
};

ExistingRun existing_run(const TrainOptions& options) {
  if (options.resume_given && options.overwrite)
    throw user_error("--resume and --overwrite were both given", "Give one of them.");
  if (options.overwrite) return ExistingRun::kOverwrite;
  return options.resume_given ? ExistingRun::kResume : ExistingRun::kRefuse;
}

// --resume=RUN names the run's folder, whose own config.json serves where no --config is given.
Config resolve_config(const TrainOptions& options) {
  const std::string folder = options.resume.empty() ? std::string() : options.resume.front();
  if (!folder.empty() && !holds_run(folder))
    throw user_error(fmt::format("{}: holds no run to resume (no config.json)", folder),
                     "Give the folder of a run, as RUN in --resume=RUN.");
  if (options.config.empty() && folder.empty())
    throw user_error("no configuration was given", "Give --config FILE.json, or --resume=RUN to go on with a run.");
  Config config = load_config(options.config.empty() ? (fs::path(folder) / "config.json").string() : options.config,
                              options.overrides);
  if (!folder.empty() && !is_utf8(folder))
    throw user_error(fmt::format("--resume={}: output would be a path that is not UTF-8", folder),
                     "Rename the run's folder.");
  if (!folder.empty()) config.output = folder;
  return config;
}

int run_train(const TrainOptions& options, Session& session) {
  Config config;
  ExistingRun existing = ExistingRun::kRefuse;
  run_together(session.communicator(), [&] {
    existing = existing_run(options);
    config = resolve_config(options);
  });
  if (options.print_config) {
    run_on_rank_0(session.communicator(), [&] { print_result(config_to_json(config).dump(2) + "\n"); });
    return 0;
  }
  return load_training_commands(session.communicator())
      .train(config, {.existing = existing, .profile = options.profile}, session);
}

std::shared_ptr<TrainOptions> add_options(CLI::App& command) {
  auto options = std::make_shared<TrainOptions>();
  command.add_option("--config", options->config, "The run's configuration, a JSON file");
  add_override_option(command, options->overrides);
  command
      .add_option("--resume", options->resume,
                  "Go on from the newest good checkpoint of RUN, or of the config's output")
      ->type_name("[RUN]")
      ->expected(0, 1);
  command.add_flag("--overwrite", options->overwrite, "Start anew in an output folder that already holds a run");
  command.add_flag("--print-config", options->print_config, "Print the resolved configuration as JSON and exit");
  command.add_flag("--profile", options->profile,
                   "Print where the training steps' time went when the run ends (step fused, or a GPU)");
  return options;
}

}  // namespace

void add_train_command(CLI::App& app, Action& chosen) {
  const auto plain = add_options(app);
  app.callback([plain, &app, &chosen] {
    const bool asked = !plain->config.empty() || app.count("--resume") > 0;
    if (!app.get_subcommands().empty() || !asked) return;
    plain->resume_given = app.count("--resume") > 0;
    chosen = [plain](Session& session) { return run_train(*plain, session); };
  });
  CLI::App* command = app.add_subcommand("train", "Trains a model; the same as fer-ddp --config without a command");
  const auto options = add_options(*command);
  command->callback([options, command, &chosen] {
    options->resume_given = command->count("--resume") > 0;
    chosen = [options](Session& session) { return run_train(*options, session); };
  });
}

}  // namespace fer_ddp
