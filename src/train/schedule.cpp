#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fer_ddp {

Schedule::Schedule(const Config& config, int64_t steps_per_epoch)
    : shape_(config.schedule),
      warm_up_steps_(config.warm_up_epochs * static_cast<double>(steps_per_epoch)),
      last_step_(static_cast<double>(config.epochs) * static_cast<double>(steps_per_epoch) - 1.0),
      final_share_(config.final_learning_rate / config.learning_rate) {}

double Schedule::share(int64_t step) const {
  const auto k = static_cast<double>(step);
  if (k < warm_up_steps_) return k / warm_up_steps_;
  if (shape_ == ScheduleShape::kConstant) return 1.0;
  // A run of one step, or whose warm-up reaches to its last, has nothing to fall along.
  const double left = last_step_ - warm_up_steps_;
  const double part = left > 0 ? std::min((k - warm_up_steps_) / left, 1.0) : 1.0;
  const double height = shape_ == ScheduleShape::kCosine ? 0.5 * (1.0 + std::cos(std::numbers::pi * part)) : 1.0 - part;
  return final_share_ + (1.0 - final_share_) * height;
}

}  // namespace fer_ddp
