#include "launcher/run_observers.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <utility>

#include "core/exact_number.h"
#include "core/run_layout.h"
#include "report/history.h"
#include "report/progress.h"
#include "report/tensorboard.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

class HistoryFile final : public TrainingObserver {
 public:
  HistoryFile(fs::path path, const TrainingState& state, PublishCheck check, BackgroundWriter& writer)
      : path_(std::move(path)), check_(std::move(check)), writer_(writer) {
    write_history(path_, state.history, check_);
  }
  // Whoever is told after this one writes to the folder at once: only where it still is this run's.
  void on_epoch(const TrainingState& state, const EpochDecision&) override {
    writer_.add([path = path_, history = state.history, check = check_] { write_history(path, history, check); });
    if (check_) check_();  // behind add(), which may wait for the disk
  }

 private:
  fs::path path_;
  PublishCheck check_;
  BackgroundWriter& writer_;
};

class TensorBoardEvents final : public TrainingObserver {
 public:
  TensorBoardEvents(const fs::path& folder, const TrainingState& state) : writer_(folder, state.epoch) {}
  void on_epoch(const TrainingState& state, const EpochDecision&) override { writer_.add_epoch(state.history.back()); }

 private:
  TensorBoardWriter writer_;
};

nlohmann::ordered_json validation_metric(const EpochRecord& record, double value) {
  return record.validated() ? exact_number(value) : nlohmann::ordered_json(nullptr);
}

class TerminalAndLog final : public TrainingObserver {
 public:
  TerminalAndLog(const Config& config, RunLog& log)
      : epochs_(config.epochs), log_(log), line_(log.messages(), !log.shares_terminal()) {}

  void on_step(const StepReport& report) override {
    if (!line_.due()) return;
    line_.show({.epoch = report.epoch,
                .epochs = epochs_,
                .steps_done = report.steps_done,
                .steps = report.steps_per_epoch,
                .loss = report.loss,
                .accuracy = report.accuracy,
                .images_per_second = report.images_per_second,
                .seconds_left = report.seconds_left});
  }

  void on_epoch(const TrainingState& state, const EpochDecision& decision) override {
    const EpochRecord& record = state.history.back();
    log_.info("epoch", epoch_text(record, epochs_, decision.is_best),
              {{"epoch", record.epoch},
               {"loss", exact_number(record.loss)},
               {"accuracy", exact_number(record.accuracy)},
               {"val_loss", validation_metric(record, record.val_loss)},
               {"val_accuracy", validation_metric(record, record.val_accuracy)},
               {"learning_rate", record.learning_rate},
               {"next_learning_rate", decision.next_learning_rate},
               {"is_best", decision.is_best},
               {"stop_reason", stop_reason_name(decision.stop_reason)}});
    warn_once_diverged(record);
  }

 private:
  // Where terminate_on_nan is off: else such an epoch is not finished.
  void warn_once_diverged(const EpochRecord& record) {
    if (std::isfinite(record.loss) || std::exchange(said_diverged_, true)) return;
    log_.warning("diverged",
                 fmt::format("the run has diverged: its training loss is not finite in epoch {}. It goes on, because "
                             "terminate_on_nan is false.",
                             record.epoch + 1),
                 {{"epoch", record.epoch}});
  }

  int epochs_;
  RunLog& log_;
  ProgressLine line_;
  bool said_diverged_ = false;
};

class StatusReporter final : public TrainingObserver {
 public:
  StatusReporter(StatusBoard& board, const TrainingState& state) : board_(board) { board_.set_history(state.history); }

  void on_phase(TrainingPhase phase) override {
    board_.update([phase](StatusSnapshot& status) { status.phase = run_phase(phase); });
  }

  void on_step(const StepReport& report) override {
    board_.update([&report](StatusSnapshot& status) {
      status.epoch = report.epoch;
      status.step = report.steps_done;
      status.steps_per_epoch = report.steps_per_epoch;
      status.learning_rate = report.learning_rate;
      // A device's first sums come late: no mean yet.
      status.loss = report.images > 0 ? std::optional(report.loss) : std::nullopt;
      status.accuracy = report.images > 0 ? std::optional(report.accuracy) : std::nullopt;
      status.images_per_second = report.images_per_second;
      status.eta_seconds = report.seconds_left;
    });
  }

  void on_epoch(const TrainingState& state, const EpochDecision& decision) override {
    board_.set_history(state.history);
    if (!decision.stop) return;
    board_.update([&decision](StatusSnapshot& status) {
      status.stop_reason = stop_reason_name(decision.stop_reason);
      status.eta_seconds.reset();
    });
  }

 private:
  static RunPhase run_phase(TrainingPhase phase) {
    switch (phase) {
      case TrainingPhase::kTraining:
        return RunPhase::kTraining;
      case TrainingPhase::kEvaluating:
        return RunPhase::kEvaluating;
      case TrainingPhase::kCheckpointing:
        return RunPhase::kCheckpointing;
      case TrainingPhase::kTesting:
        return RunPhase::kTesting;
    }
    return RunPhase::kTraining;
  }

  StatusBoard& board_;
};

}  // namespace

std::vector<std::unique_ptr<TrainingObserver>> make_run_observers(const Config& config, RunLog& log, StatusBoard& board,
                                                                  const TrainingState& state, const PublishCheck& check,
                                                                  BackgroundWriter& writer) {
  const fs::path folder = config.output;
  std::vector<std::unique_ptr<TrainingObserver>> observers;
  observers.push_back(std::make_unique<HistoryFile>(folder / run_file::kHistory, state, check, writer));
  observers.push_back(std::make_unique<TensorBoardEvents>(folder, state));
  observers.push_back(std::make_unique<TerminalAndLog>(config, log));
  observers.push_back(std::make_unique<StatusReporter>(board, state));
  return observers;
}

}  // namespace fer_ddp
