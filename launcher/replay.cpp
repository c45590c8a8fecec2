// `fer-ddp replay HISTORY.csv --config exp.json`: what early stopping and the plateau would have decided on a recorded
// history. A schedule goes by steps: how many an epoch has is said by the shards that the configuration names, or by
// --steps-per-epoch.
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/error.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "data/manifest.h"
#include "data/sampler.h"
#include "launcher/command.h"
#include "launcher/run_reader.h"
#include "report/history.h"
#include "train/decision_maker.h"
#include "train/schedule.h"

namespace fer_ddp {

namespace {

struct ReplayOptions {
  std::string history;
  std::string config;
  std::vector<std::string> overrides;
  int64_t steps_per_epoch = 0;  // 0: as the shards say
};

int64_t epoch_steps(const ReplayOptions& options, const Config& config) {
  if (options.steps_per_epoch > 0) return options.steps_per_epoch;
  if (config.schedule == ScheduleShape::kConstant)
    return 1;  // any: a warm-up's share of an epoch's first step is the same
  const auto shards = shards_of_run(config.output, config_to_json(config));
  if (!shards)
    throw user_error(fmt::format("{}: schedule {} goes by steps, and there are no shards to say how many an epoch has",
                                 options.config, choice_word(config.schedule)),
                     "Name them by data, or give --steps-per-epoch N.");
  return steps_per_epoch(read_manifest(*shards).rows(Split::kTrain), config.batch_size);
}

std::string replay(const Config& config, int64_t steps, const std::vector<HistoryRow>& history) {
  std::string lines = "epoch,value,learning_rate,is_best,stop,reason\n";
  DecisionMaker decisions(config);
  const Schedule schedule(config, steps);
  double learning_rate = config.learning_rate;
  for (const HistoryRow& row : history) {
    const std::optional<double> value = config.monitor == Monitor::kValidationLoss ? row.val_loss : row.val_accuracy;
    const EpochDecision decision = decisions.decide(row.epoch, value, learning_rate);
    // A recorded history may be longer than the config's epochs or shorter: its own end is not a decision.
    const bool stopped = decision.stop_reason == StopReason::kEarlyStopping;
    lines += fmt::format("{},{},{},{},{},{}\n", row.epoch, value ? metric_text(*value) : "",
                         metric_text(learning_rate * schedule.share(row.epoch * steps)), decision.is_best, stopped,
                         stopped ? stop_reason_name(decision.stop_reason) : "");
    if (stopped) break;
    learning_rate = decision.next_learning_rate;
  }
  return lines;
}

int run_replay(const ReplayOptions& options, Session& session) {
  run_on_rank_0(session.communicator(), [&] {
    const Config config = load_config(options.config, options.overrides);
    print_result(replay(config, epoch_steps(options, config), read_history(options.history)));
  });
  return 0;
}

}  // namespace

void add_replay_command(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand(
      "replay", "Prints what early stopping and the plateau would have decided on a recorded history");
  const auto options = std::make_shared<ReplayOptions>();
  command->add_option("HISTORY", options->history, "A history.csv")->required();
  command->add_option("--config", options->config, "The configuration whose decision keys are replayed")->required();
  add_override_option(*command, options->overrides);
  command->add_option("--steps-per-epoch", options->steps_per_epoch, "Of a schedule, where the shards are not there")
      ->check(CLI::PositiveNumber);
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_replay(*options, session); }; });
}

}  // namespace fer_ddp
