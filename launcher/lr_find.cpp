// `fer-ddp lr-find --config FILE`: a learning rate for a run, by a short training whose rate rises.
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "comm/agreement.h"
#include "core/error.h"
#include "launcher/command.h"
#include "launcher/training_commands.h"
#include "launcher/training_data.h"

namespace fer_ddp {

namespace {

struct LrFindOptions {
  std::string config;
  std::vector<std::string> overrides;
  LrFindRequest request;
};

int run_lr_find(const LrFindOptions& options, Session& session) {
  Config config;
  run_together(session.communicator(), [&] {
    const LrFindRequest& request = options.request;
    // Of a range that is narrower nothing can be told; a factor that is not finite gives rates that are none.
    constexpr double kLeastFactor = 1.1;
    const double factor = request.to / request.from;
    if (!(request.from > 0 && std::isfinite(request.from) && std::isfinite(factor) && factor >= kLeastFactor))
      throw user_error(fmt::format("--from is {}, --to is {}", request.from, request.to),
                       fmt::format("Give rates above 0, of which the second is at least {} times the first, and not "
                                   "beyond all numbers.",
                                   kLeastFactor));
    refuse_singletons_under_slurm(session.communicator().size(), session.log);
    config = load_config(options.config, options.overrides);
    require_data(config);
  });
  return load_training_commands(session.communicator()).lr_find(config, options.request, session);
}

}  // namespace

void add_lr_find_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand(
      "lr-find", "Suggests a learning rate, by a short training in which it rises from step to step");
  const auto options = std::make_shared<LrFindOptions>();
  command->add_option("--config", options->config, "The run's configuration, a JSON file")->required();
  add_override_option(*command, options->overrides);
  LrFindRequest& request = options->request;
  command->add_option("--steps", request.steps, "Steps of a training")
      ->check(CLI::Range(20, 1'000'000))
      ->capture_default_str();
  command->add_option("--from", request.from, "The first step's learning rate")->capture_default_str();
  command->add_option("--to", request.to, "The last step's")->capture_default_str();
  command->add_option("--restarts", request.restarts, "Trainings whose losses are averaged")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", request.json, "Print one JSON object");
  command->add_option("-o,--output", request.output, "Draw the curve into this file, an .svg");
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_lr_find(*options, session); }; });
}

}  // namespace fer_ddp
