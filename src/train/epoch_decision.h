// What happens after an epoch, decided once, on rank 0, from reduced sums alone, and broadcast: every rank applies it
// and none recomputes it. Plain bytes of one fixed layout.
#pragma once

#include <cstdint>
#include <type_traits>

namespace fer_ddp {

enum class StopReason : int32_t { kNone = 0, kEpochsDone = 1, kEarlyStopping = 2, kStopRequested = 3, kDiverged = 4 };

struct EpochDecision {
  int32_t epoch = 0;
  StopReason stop_reason = StopReason::kNone;
  double next_learning_rate = 0;
  bool is_best = false;
  bool save_checkpoint = false;
  bool stop = false;
};
static_assert(std::is_trivially_copyable_v<EpochDecision>);

// "none", "epochs_done", "early_stopping", "stop_requested", "diverged": as in result.json.
[[nodiscard]] const char* stop_reason_name(StopReason reason);

}  // namespace fer_ddp
