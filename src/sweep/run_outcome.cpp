#include "sweep/run_outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/atomic_file.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/run_layout.h"
#include "report/history.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

// As DecisionMaker and Trainer name them in result.json.
constexpr const char* kDiverged = "diverged";
constexpr const char* kEpochsDone = "epochs_done";

bool is_better(double value, double than, Monitor by) {
  return by == Monitor::kValidationLoss ? value < than : value > than;
}

// The best of the first `epochs`; none of them is better than a number.
std::optional<double> best_of(const std::vector<std::optional<double>>& values, size_t epochs, Monitor by) {
  std::optional<double> best;
  for (size_t i = 0; i < std::min(epochs, values.size()); ++i)
    if (values[i] && std::isfinite(*values[i]) && (!best || is_better(*values[i], *best, by))) best = values[i];
  return best;
}

}  // namespace

ordered_json read_json_file(const fs::path& path) {
  try {
    return parse_json(read_file(path, kMostTextBytes));
  } catch (const ordered_json::exception& problem) {
    throw user_error(fmt::format("{}: not JSON: {}", path.string(), problem.what()), "Was the file changed by hand?");
  }
}

bool RunOutcome::diverged() const { return result && result->stop_reason == kDiverged; }

bool RunOutcome::is_over(int epochs) const {
  if (failure) return true;
  return result && (result->stop_reason != kEpochsDone || result->epochs_run >= epochs);
}

std::optional<double> RunOutcome::value_in(size_t rung, int epochs, Monitor by) const {
  const auto wanted = static_cast<size_t>(epochs);
  if (failure && failed_in_rung <= rung) return std::nullopt;
  if (diverged() && values.size() < wanted) return std::nullopt;
  return best_of(values, wanted, by);
}

RunOutcome read_outcome(const fs::path& run_folder, const fs::path& failure_file, Monitor by) {
  RunOutcome outcome;
  if (fs::exists(failure_file)) {
    const ordered_json failure = read_json_file(failure_file);
    outcome.failure = failure.value("error", std::string("it failed"));
    outcome.failed_in_rung = failure.value("rung", size_t{0});
  }
  const fs::path result = run_folder / run_file::kResult;
  const fs::path history = run_folder / run_file::kHistory;
  if (!fs::exists(result)) return outcome;
  outcome.result = run_result_from_json(read_json_file(result), result.string());
  if (!fs::exists(history)) return outcome;
  std::vector<std::optional<double>> losses;
  std::vector<std::optional<double>> accuracies;
  for (const HistoryRow& row : read_history(history)) {
    losses.push_back(row.val_loss);
    accuracies.push_back(row.val_accuracy);
  }
  outcome.lowest_loss = best_of(losses, losses.size(), Monitor::kValidationLoss);
  outcome.highest_accuracy = best_of(accuracies, accuracies.size(), Monitor::kValidationAccuracy);
  outcome.values = by == Monitor::kValidationLoss ? std::move(losses) : std::move(accuracies);
  return outcome;
}

void write_failure(const fs::path& failure_file, const Error& error, size_t rung) {
  make_folder(failure_file.parent_path());
  const ordered_json failure = {{"error", error.what()}, {"advice", error.advice()}, {"rung", rung}};
  write_file_atomically(failure_file, json_text(failure, 2) + "\n");
}

}  // namespace fer_ddp
