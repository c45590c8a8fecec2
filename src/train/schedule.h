// The learning rate from step to step, as a share of `learning_rate`; a pure function of the step. For step k of K,
// both counted over the whole run, with a warm-up of W steps (warm_up_epochs times the steps of an epoch):
//
//   constant:   1
//   cosine:     f + (1 - f) (1 + cos(pi p)) / 2
//   one_cycle:  1 - (1 - f) p        PyTorch's OneCycleLR with anneal_strategy "linear" and three_phase off; where it
//                                    begins at max_lr / div_factor and ends at an initial_lr / final_div_factor, this
//                                    begins at 0 and ends at f
//
// where p = (k - W) / (K - 1 - W) and f = final_learning_rate / learning_rate: the last step has exactly the final
// rate. Before step W all of them are k / W, so that with a warm-up the very first step has the rate 0.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace fer_ddp {

class Schedule {
 public:
  Schedule(const Config& config, int64_t steps_per_epoch);

  // What the rate of the run's step `step`, counted from 0, is of learning_rate: in [0, 1]. Steps beyond the last have
  // the last one's.
  [[nodiscard]] double share(int64_t step) const;

 private:
  ScheduleShape shape_;
  double warm_up_steps_;
  double last_step_;
  double final_share_;
};

}  // namespace fer_ddp
