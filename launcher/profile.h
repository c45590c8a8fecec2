// What --profile prints when a run ends: where the time of rank 0's training steps went, pass by pass, and how close
// each came to what the processor can do; and how long checkpoints held the steps up.
#pragma once

#include <string>
#include <vector>

#include "core/pass_clock.h"
#include "train/checkpoint_writer.h"

namespace fer_ddp {

// `steps`: how many were timed; `peak`: operations a second of all threads of the rank.
[[nodiscard]] std::string profile_table(const std::vector<PassTime>& passes, int64_t steps, double peak);

// On a line of its own; empty: none were taken.
[[nodiscard]] std::string checkpoint_line(const CheckpointTimes& times);

// Measures for a tenth of a second on all of LibTorch's threads.
[[nodiscard]] double measured_peak();

}  // namespace fer_ddp
