// `fer-ddp replay HISTORY.csv --config exp.json`: what early stopping and the plateau would have decided on a recorded
// history.
#include <fmt/format.h>

#include <memory>

#include "comm/agreement.h"
#include "core/standard_streams.h"
#include "core/text.h"
#include "launcher/command.h"
#include "report/history.h"
#include "train/decision_maker.h"

namespace fer_ddp {

namespace {

struct ReplayOptions {
  std::string history;
  std::string config;
  std::vector<std::string> overrides;
};

std::string replay(const Config& config, const std::vector<HistoryRow>& history) {
  std::string lines = "epoch,value,learning_rate,is_best,stop,reason\n";
  DecisionMaker decisions(config);
  double learning_rate = config.learning_rate;
  for (const HistoryRow& row : history) {
    const std::optional<double> value = config.monitor == "val_loss" ? row.val_loss : row.val_accuracy;
    const EpochDecision decision = decisions.decide(row.epoch, value, learning_rate);
    // A recorded history may be longer than the config's epochs or shorter: its own end is not a decision.
    const bool stopped = decision.stop_reason == StopReason::kEarlyStopping;
    lines += fmt::format("{},{},{},{},{},{}\n", row.epoch, value ? metric_text(*value) : "", metric_text(learning_rate),
                         decision.is_best, stopped, stopped ? stop_reason_name(decision.stop_reason) : "");
    if (stopped) break;
    learning_rate = decision.next_learning_rate;
  }
  return lines;
}

int run_replay(const ReplayOptions& options, Session& session) {
  run_on_rank_0(session.communicator(), [&] {
    print_result(replay(load_config(options.config, options.overrides), read_history(options.history)));
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
  command->add_option("--set", options->overrides, "Override a key, as key=value (repeatable)")
      ->expected(1)
      ->take_all();
  command->callback(
      [options, &chosen] { chosen = [options](Session& session) { return run_replay(*options, session); }; });
}

}  // namespace fer_ddp
