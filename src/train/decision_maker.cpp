#include "train/decision_maker.h"

#include <span>

namespace fer_ddp {

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "none";
    case StopReason::kEpochsDone:
      return "epochs_done";
    case StopReason::kEarlyStopping:
      return "early_stopping";
    case StopReason::kStopRequested:
      return "stop_requested";
    case StopReason::kDiverged:
      return "diverged";
  }
  return "none";
}

DecisionMaker::DecisionMaker(const Config& config)
    : epochs_(config.epochs),
      checkpoint_every_epochs_(config.checkpoint_every_epochs),
      early_stopping_({.patience = config.early_stopping_patience,
                       .min_delta = config.early_stopping_min_delta,
                       .start_from_epoch = config.early_stopping_start_from_epoch},
                      direction_of(config.monitor)),
      plateau_({.patience = config.lr_patience,
                .factor = config.lr_reduction_factor,
                .min_delta = config.lr_min_delta,
                .cooldown = config.lr_cooldown,
                .min_learning_rate = config.min_learning_rate},
               direction_of(config.monitor)) {}

EpochDecision DecisionMaker::decide(int epoch, std::optional<double> value, double learning_rate) {
  const StopVerdict verdict = early_stopping_.observe(epoch, value);
  EpochDecision decision{.epoch = epoch,
                         .next_learning_rate = plateau_.observe(value, learning_rate),
                         .is_best = verdict.is_best,
                         .stop = verdict.stop || epoch + 1 >= epochs_};
  if (decision.stop) decision.stop_reason = verdict.stop ? StopReason::kEarlyStopping : StopReason::kEpochsDone;
  // The last epoch is always saved: a crash between it and result.json costs nothing.
  decision.save_checkpoint =
      decision.stop || (checkpoint_every_epochs_ && (epoch + 1) % *checkpoint_every_epochs_ == 0);
  return decision;
}

StopReason DecisionMaker::stop_reason_of(const TrainingState& state) const {
  const bool ended_by_decision = state.stop_reason == StopReason::kNone ||
                                 state.stop_reason == StopReason::kEpochsDone ||
                                 state.stop_reason == StopReason::kEarlyStopping;
  if (!ended_by_decision || state.step > 0) return state.stop_reason;
  if (state.epoch > 0 && early_stopping_.is_exhausted(state.epoch - 1)) return StopReason::kEarlyStopping;
  return state.epoch >= epochs_ ? StopReason::kEpochsDone : StopReason::kNone;
}

void DecisionMaker::restore(const DecisionState& state) {
  early_stopping_.restore(state.early_stopping);
  plateau_.restore(state.plateau);
}

EpochDecision decide_together(Communicator& communicator, DecisionMaker& decisions, int epoch,
                              std::optional<double> value, double learning_rate) {
  EpochDecision decision;
  if (communicator.rank() == 0) decision = decisions.decide(epoch, value, learning_rate);
  communicator.broadcast(std::as_writable_bytes(std::span(&decision, 1)), 0);
  return decision;
}

}  // namespace fer_ddp
