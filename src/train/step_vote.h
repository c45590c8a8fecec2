// The vote at a step boundary: one small sum over the ranks carries the step's loss and accuracy, and whether any rank
// has been signalled to stop, rank 0's clock says that a checkpoint is due, or what rank 0 has written meanwhile
// failed. Whether the run has diverged follows from that sum of the loss. All ranks get the same answer at the same
// step.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "comm/communicator.h"
#include "step/training_step.h"

namespace fer_ddp {

struct VoteResult {
  BatchSums sums;  // over all ranks
  bool stop = false;
  bool checkpoint = false;
  bool writing_failed = false;
  bool diverged = false;  // the loss of the steps in `sums` is not finite: tested as Keras' TerminateOnNaN does
};

class StepVote {
 public:
  // `stop_requested` and `writing_failed` are asked on every rank at every step. No `checkpoint_every`: the clock asks
  // for none.
  StepVote(
      Communicator& communicator, std::function<bool()> stop_requested,
      std::optional<std::chrono::duration<double>> checkpoint_every,
      std::function<bool()> writing_failed = [] { return false; });

  // Collective.
  [[nodiscard]] VoteResult cast(const BatchSums& share);

  // A checkpoint was taken: the clock starts anew.
  void checkpoint_taken() { last_checkpoint_ = std::chrono::steady_clock::now(); }

 private:
  [[nodiscard]] bool checkpoint_due() const;

  Communicator& communicator_;
  std::function<bool()> stop_requested_;
  std::function<bool()> writing_failed_;
  std::optional<std::chrono::duration<double>> checkpoint_every_;
  std::chrono::steady_clock::time_point last_checkpoint_;
};

}  // namespace fer_ddp
