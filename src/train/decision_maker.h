// Rank 0's judge: early stopping, plateau and checkpoint schedule behind one question an epoch.
#pragma once

#include <optional>

#include "comm/communicator.h"
#include "core/config.h"
#include "train/early_stopping.h"
#include "train/epoch_decision.h"
#include "train/plateau.h"
#include "train/training_state.h"

namespace fer_ddp {

// What a checkpoint remembers of the callbacks.
struct DecisionState {
  EarlyStoppingState early_stopping{};
  PlateauState plateau{};
};

class DecisionMaker {
 public:
  explicit DecisionMaker(const Config& config);

  // `value` is the monitored metric of `epoch`, `learning_rate` the one it was trained with.
  [[nodiscard]] EpochDecision decide(int epoch, std::optional<double> value, double learning_rate);

  // Why a run that stands at `state`, whose epochs were observed, is over; kNone: it goes on. The same as decide() said
  // of its last epoch, unless this configuration asks for other epochs or other patience.
  [[nodiscard]] StopReason stop_reason_of(const TrainingState& state) const;

  [[nodiscard]] DecisionState state() const { return {early_stopping_.state(), plateau_.state()}; }
  void restore(const DecisionState& state);

 private:
  int epochs_;
  std::optional<int> checkpoint_every_epochs_;
  EarlyStopping early_stopping_;
  Plateau plateau_;
};

// Collective. Rank 0 alone decides; every rank gets its decision.
[[nodiscard]] EpochDecision decide_together(Communicator& communicator, DecisionMaker& decisions, int epoch,
                                            std::optional<double> value, double learning_rate);

}  // namespace fer_ddp
