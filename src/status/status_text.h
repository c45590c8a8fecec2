// A run's status as people read it: one line, or a small screen for --watch. Epochs and steps from 1. Pure functions.
#pragma once

#include <string>

#include "status/snapshot.h"

namespace fer_ddp {

// "exp: training, epoch 3/50, step 120/197, loss 1.4321, accuracy 0.4520, 2,345 images/s, 3 min 20 s left".
[[nodiscard]] std::string status_line(const StatusSnapshot& status);

// Several lines, each ended by a newline: for a terminal of `columns` by `rows`, what does not fit is cut off.
[[nodiscard]] std::string status_screen(const StatusSnapshot& status, int columns, int rows);

// Pieces of both screens: "exp  training", "12 min 03 s so far, at most 3 min 20 s left", "epoch 3/50  step 120/197",
// and a bar of `width` characters with the share of all epochs that is done.
[[nodiscard]] std::string status_title(const StatusSnapshot& status);
[[nodiscard]] std::string time_text(const StatusSnapshot& status);
[[nodiscard]] std::string position_text(const StatusSnapshot& status);
[[nodiscard]] std::string progress_bar(const StatusSnapshot& status, int width);

// "training", "done".
[[nodiscard]] std::string phase_name(RunPhase phase);

}  // namespace fer_ddp
