// `fer-ddp status --run SWEEP`: what a sweep's folder and its live runs say, once or until the sweep is over. Rank 0
// alone.
#pragma once

#include "launcher/run_client.h"

namespace fer_ddp {

struct SweepShow {
  bool watch = false;
  bool json = false;
};

// Prints it once; with `watch` every second until the sweep is over or stopped: on a terminal as a screen with keys,
// elsewhere each line that is new, or one JSON object a line. Throws Error (the machine's fault), in one line, where it
// is over already, and where nobody trains it any more.
void show_sweep(const RunChoice& choice, SweepShow show);

}  // namespace fer_ddp
