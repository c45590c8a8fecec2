// Where a run is, as the status service tells it: the plain form of fer_ddp.v1.Status, free of protobuf. A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/epoch_record.h"
#include "core/run_result.h"

namespace fer_ddp {

enum class RunPhase {
  kStarting = 1,
  kTraining,
  kEvaluating,
  kCheckpointing,
  kTesting,
  kDone
};  // numbered as in status.proto

struct StatusSnapshot {
  std::string run{};
  RunPhase phase = RunPhase::kStarting;
  int epoch = 0;  // from 0
  int epochs = 0;
  int64_t step = 0;  // steps done of this epoch
  int64_t steps_per_epoch = 0;
  double learning_rate = 0;
  std::optional<double> loss{};  // mean over this epoch's images so far
  std::optional<double> accuracy{};
  double images_per_second = 0;
  std::optional<double> eta_seconds{};
  std::vector<RankPlace> ranks{};
  std::string stop_reason{};  // as in result.json; empty while the run goes on
  std::optional<EpochRecord> latest_epoch{};
  std::optional<EpochRecord> best_epoch_by_loss{};
  std::optional<EpochRecord> best_epoch_by_accuracy{};
  double elapsed_seconds = 0;
};

}  // namespace fer_ddp
