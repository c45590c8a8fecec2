// The epochs whose weights a run might have ended with, what each would have scored on the test images, and how two of
// them differ image by image: the answer to why a run's weights are those they are. Plain values, in result.json under
// "candidates" and "comparisons". Epochs are counted from 0.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/evaluation.h"
#include "core/statistics.h"

namespace fer_ddp {

struct RunCandidate {
  int epoch = 0;
  bool lowest_loss = false;          // of the validation images, of all epochs
  bool highest_accuracy = false;     // likewise
  bool early_stopping_best = false;  // what restore_best_weights restores
  bool last = false;
  bool kept = false;  // the run ends with them
  double val_loss = std::numeric_limits<double>::quiet_NaN();
  double val_accuracy = std::numeric_limits<double>::quiet_NaN();
  std::optional<std::string> weights{};   // the file's name in the run's folder; none: not there
  std::optional<Score> test{};            // none: not kept, or no test images
  std::optional<Score> without_copies{};  // as Evaluation's
};

// On the test images, by two candidates' epochs.
struct CandidateComparison {
  int first_epoch = 0;
  int second_epoch = 0;
  PairedCounts right{};
};

// "candidates": [{"epoch", "is": ["lowest_val_loss", "highest_val_accuracy", "early_stopping_best", "last_epoch",
// "model"], "val_loss", "val_accuracy", "weights", "test", "without_copies": as score_to_json()}];
// "comparisons": [{"epochs": [first, second], "only_first_right", "only_second_right", "mcnemar_p"}].
[[nodiscard]] nlohmann::ordered_json candidates_to_json(const std::vector<RunCandidate>& candidates);
[[nodiscard]] nlohmann::ordered_json comparisons_to_json(const std::vector<CandidateComparison>& comparisons);

// p-values are not read: they follow. Throw nlohmann::json::exception for what is not as it is written.
[[nodiscard]] std::vector<RunCandidate> candidates_from_json(const nlohmann::ordered_json& document);
[[nodiscard]] std::vector<CandidateComparison> comparisons_from_json(const nlohmann::ordered_json& document);

}  // namespace fer_ddp
