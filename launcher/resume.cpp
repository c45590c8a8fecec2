#include "launcher/resume.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/run_layout.h"
#include "core/run_result.h"
#include "launcher/run_reader.h"
#include "launcher/run_results.h"
#include "train/checkpoint.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

fs::path result_path(const Config& config) { return fs::path(config.output) / run_file::kResult; }

// Names each one that cannot be used; returns how many those are.
size_t find_newest(const Config& config, const PublishCheck& check, RunLog& log,
                   std::optional<StoredCheckpoint>& newest) {
  std::vector<std::string> passed_over;
  newest = checkpoints_of(config, check).read_newest(passed_over);
  for (const std::string& line : passed_over) log.warning("checkpoint_passed_over", line);
  return passed_over.size();
}

// Does the configuration ask for more than what stopped the run, as far as that shows without a checkpoint of its end?
bool asks_for_more(const Config& config, const RunResult& result) {
  if (result.stop_reason == stop_reason_name(StopReason::kEpochsDone)) return config.epochs > result.epochs_run;
  if (result.stop_reason != stop_reason_name(StopReason::kEarlyStopping)) return false;
  const Config before = load_config(fs::path(config.output) / run_file::kConfig);
  return config.epochs > result.epochs_run && config.early_stopping_patience != before.early_stopping_patience;
}

// Was there a checkpoint of the end, or a later one, and is training over there under this configuration?
std::optional<bool> is_over_at(const std::optional<StoredCheckpoint>& newest, const Config& config,
                               const RunResult& result) {
  if (!newest) return std::nullopt;
  const CheckpointState state = read_checkpoint_state(*newest);
  if (state.training.epoch < result.epochs_run) return std::nullopt;
  if (state.training.epoch > result.epochs_run) return false;  // it was trained on, and cut off before its new results
  DecisionMaker decisions(config);
  decisions.restore(state.decisions);
  return decisions.stop_reason_of(state.training) != StopReason::kNone;
}

// A part of the run that an older fer-ddp ran has left no weights of these.
void say_what_was_not_kept(const Trainer& trainer, const std::string& checkpoint, RunLog& log) {
  const std::vector<EpochRecord>& history = trainer.state().history;
  std::vector<std::string> missing;
  const auto look = [&](const std::optional<int>& epoch, const std::optional<KeptEpoch>& kept, const char* what) {
    if (epoch && !kept) missing.push_back(fmt::format("epoch {}, of the {}", *epoch + 1, what));
  };
  look(best_epoch_by_loss(history), trainer.kept().lowest_loss, "lowest validation loss");
  look(best_epoch_by_accuracy(history), trainer.kept().highest_accuracy, "highest validation accuracy");
  if (missing.empty()) return;
  log.warning("resume_weights_not_kept",
              fmt::format("{} is of an older fer-ddp, which kept no weights of {}: what these would score cannot be "
                          "told, unless a later epoch is better",
                          checkpoint, fmt::join(missing, " and ")));
}

std::string epochs_text(int count) { return fmt::format("{} epoch{}", count, count == 1 ? "" : "s"); }

void say_over(const Config& config, const RunResult& result, RunLog& log) {
  std::string line = fmt::format("{}: the run is over after {} ({}), there is nothing to resume; see result.json",
                                 config.output, epochs_text(result.epochs_run), result.stop_reason);
  if (config.epochs < result.epochs_run)
    line += fmt::format("\n  epochs is {}, fewer than were run: nothing is trained.", config.epochs);
  else if (result.stop_reason == stop_reason_name(StopReason::kEpochsDone) &&
           config.schedule == ScheduleShape::kConstant)
    line += "\n  More epochs go on with it: --set epochs=N.";
  else if (result.stop_reason == stop_reason_name(StopReason::kEarlyStopping))
    line += "\n  More patience goes on with it: --set early_stopping_patience=N.";
  log.info("over", line);
}

}  // namespace

CheckpointFolder checkpoints_of(const Config& config, const PublishCheck& check) {
  return {fs::path(config.output) / run_file::kCheckpoints, config.keep_checkpoints, check};
}

bool is_run_over(const Config& config, RunLog& log) {
  if (!fs::exists(result_path(config))) return false;
  const RunResult result = read_result(config.output);
  if (has_diverged(result)) throw diverged(config.output, result);
  bool over = config.epochs <= result.epochs_run;
  if (!over) {
    std::optional<StoredCheckpoint> newest;
    find_newest(config, {}, log, newest);
    over = is_over_at(newest, config, result).value_or(!asks_for_more(config, result));
    if (!over && !newest)
      throw user_error(fmt::format("{}: the run is over after {}, and no checkpoint is left to go on from",
                                   config.output, epochs_text(result.epochs_run)),
                       "Start another run, or this one anew by --overwrite.");
  }
  if (over) say_over(config, result, log);
  return over;
}

void resume_training(Trainer& trainer, const Config& config, const PublishCheck& check, Session& session) {
  Communicator& communicator = session.communicator();
  std::optional<StoredCheckpoint> newest;
  size_t unusable = 0;
  run_on_rank_0(communicator, [&] { unusable = find_newest(config, check, session.log, newest); });
  newest = broadcast_checkpoint(communicator, newest);
  if (!newest) {
    if (unusable > 0)
      session.log.warning("resume", "none of the run's checkpoints can be used: starting from the beginning");
    else
      session.log.info("resume", "no checkpoint yet: starting from the beginning");
    return;
  }
  run_together(communicator, [&] { trainer.resume(*newest); });
  if (!read_checkpoint_state(*newest).data_checksum)
    session.log.warning("resume_data_unchecked",
                        fmt::format("{} is of an older fer-ddp, which noted no checksum of the data: whether {} is "
                                    "what the run was trained on cannot be checked",
                                    newest->path, config.data));
  say_what_was_not_kept(trainer, newest->path, session.log);
  const TrainingState& state = trainer.state();
  const nlohmann::ordered_json position = {{"epoch", state.epoch}, {"step", state.step}};
  if (state.stop_reason == StopReason::kNone)
    session.log.info("resume", fmt::format("resuming at epoch {}, step {}", state.epoch + 1, state.step + 1), position);
  else
    session.log.info("resume",
                     fmt::format("{} were run, and epochs is {}: nothing is trained ({})", epochs_text(state.epoch),
                                 config.epochs, stop_reason_name(state.stop_reason)),
                     position);
}

}  // namespace fer_ddp
