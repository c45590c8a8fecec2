#include "train/step_vote.h"

#include <array>
#include <cmath>
#include <span>
#include <utility>

namespace fer_ddp {

StepVote::StepVote(Communicator& communicator, std::function<bool()> stop_requested,
                   std::optional<std::chrono::duration<double>> checkpoint_every, std::function<bool()> writing_failed)
    : communicator_(communicator),
      stop_requested_(std::move(stop_requested)),
      writing_failed_(std::move(writing_failed)),
      checkpoint_every_(checkpoint_every),
      last_checkpoint_(std::chrono::steady_clock::now()) {}

VoteResult StepVote::cast(const BatchSums& share) {
  std::array<double, 6> ballot = {share.loss,
                                  static_cast<double>(share.correct),
                                  static_cast<double>(share.images),
                                  stop_requested_() ? 1.0 : 0.0,
                                  checkpoint_due() ? 1.0 : 0.0,
                                  writing_failed_() ? 1.0 : 0.0};
  communicator_.all_reduce(std::span<double>(ballot), ReduceOperation::kSum);
  return {.sums = {.loss = ballot[0],
                   .correct = static_cast<int64_t>(ballot[1]),
                   .images = static_cast<int64_t>(ballot[2])},
          .stop = ballot[3] > 0,
          .checkpoint = ballot[4] > 0,
          .writing_failed = ballot[5] > 0,
          .diverged = !std::isfinite(ballot[0])};
}

bool StepVote::checkpoint_due() const {
  return communicator_.rank() == 0 && checkpoint_every_ &&
         std::chrono::steady_clock::now() - last_checkpoint_ >= *checkpoint_every_;
}

}  // namespace fer_ddp
