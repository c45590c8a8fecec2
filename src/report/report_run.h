// What the report needs to know of one run. Plain values, gathered from the run's folder by whoever asks for the
// report; all but the name may be absent, and the report says so.
#pragma once

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/epoch_record.h"
#include "core/expressions.h"
#include "core/run_result.h"
#include "report/mistakes.h"
#include "report/predictions.h"

namespace fer_ddp {

struct ReportRun {
  std::string name{};
  nlohmann::ordered_json config{};  // resolved, as config.json holds it; null if there is none
  std::vector<EpochRecord> history{};
  std::optional<RunResult> result{};                         // none: the run is still going, or was interrupted
  std::optional<std::array<ClassCounts, 3>> class_counts{};  // train, validation, test
  std::string faces_png{};   // the bytes of a picture with sample faces, a column for each class
  std::string seen_png{};    // of one with pairs, images as they are stored and as the network sees them
  std::string seen_words{};  // what changes them; empty, as the picture: nothing
  std::vector<TestPrediction> predictions{};  // of the test images, by the weights it ends with; none: not within reach
  std::vector<Mistake> mistakes{};            // the most confident ones of these first
};

// The epoch whose weights the run ends with, if it ends with any.
[[nodiscard]] inline std::optional<int> kept_epoch(const ReportRun& run) {
  if (!run.result || !run.result->has_weights) return std::nullopt;
  return run.result->restored_epoch ? run.result->restored_epoch : run.result->final_epoch;
}

// The record of an epoch; none if it is not in the history.
[[nodiscard]] inline const EpochRecord* find_epoch(const ReportRun& run, const std::optional<int>& epoch) {
  const auto found = std::find_if(run.history.begin(), run.history.end(),
                                  [&epoch](const EpochRecord& record) { return record.epoch == epoch; });
  return found == run.history.end() ? nullptr : &*found;
}

}  // namespace fer_ddp
