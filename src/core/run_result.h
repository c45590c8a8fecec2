// How a run ended: the content of result.json. A plain value, written by rank 0 when training is over and read by the
// report. Epochs are counted from 0.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/evaluation.h"
#include "core/run_candidate.h"

namespace fer_ddp {

// Where one rank of the run lived.
struct RankPlace {
  int rank = 0;
  std::string host{};
  std::string device{};  // "cpu", "cuda:0 NVIDIA H100"
};

struct RunResult {
  std::string stop_reason{};  // "epochs_done", "early_stopping", "diverged", ...
  int epochs_run = 0;         // over all of the run's parts, if it was resumed
  std::optional<int> best_epoch_by_loss{};
  std::optional<int> best_epoch_by_accuracy{};
  std::optional<int> final_epoch{};        // the last one trained; none if no epoch was finished
  std::optional<int> restored_epoch{};     // whose weights the run ends with, if they are not the final epoch's
  bool has_weights = true;                 // there is a model.safetensors; none where the run diverged too early
  std::optional<Evaluation> test{};        // of the weights the run ends with; none if the run was stopped before
  std::vector<RunCandidate> candidates{};  // by epoch; none in documents of earlier versions
  std::vector<CandidateComparison> comparisons{};
  double seconds = 0;
  int world_size = 1;
  int64_t parameters = 0;  // trained ones and BatchNorm statistics alike
  std::vector<RankPlace> ranks{};
  std::optional<std::string> device_choices{};  // TrainingStep::choices(); none: there were none
  std::string started{};                        // as timestamp_now() writes it
  std::string finished{};
};

// The document also holds "test_loss", "test_accuracy" and "test_accuracy_without_copies", taken from `test`, and
// "model", the name of the weights' file; what there is none of is null. "candidates" and "comparisons" are
// core/run_candidate.h's.
[[nodiscard]] nlohmann::ordered_json run_result_to_json(const RunResult& result);

// Throws Error (the user's fault), `where` naming the document.
[[nodiscard]] RunResult run_result_from_json(const nlohmann::ordered_json& document, const std::string& where);

}  // namespace fer_ddp
