// What a sweep comes to: its settings, best first, each with the mean over its seeds and how sure that is. Pure, and
// free of what differs from one machine to the next, so that the same runs give the same bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sweep/run_outcome.h"
#include "sweep/student_t.h"
#include "sweep/sweep.h"

namespace fer_ddp {

struct SettingResult {
  size_t setting = 0;
  size_t rung = 0;  // the last that it was in
  int seeds = 0;
  int diverged = 0;
  int failed = 0;  // by a configuration error
  // Over the seeds that came to an end.
  std::optional<Estimate> lowest_loss{};       // validation
  std::optional<Estimate> highest_accuracy{};  // validation
  std::optional<Estimate> test_accuracy{};
};

struct SweepComparison {
  std::vector<SettingResult> settings{};  // best first
  int runs = 0;
  int diverged = 0;
  int failed = 0;

  // Whether any run came to a result that can be compared.
  [[nodiscard]] bool any_result() const { return diverged + failed < runs; }
};

// `outcomes` are of all runs, by their number; `rungs` the settings in each rung that was begun. Settings are in the
// order of their last rung, and within it of the mean that the sweep compares by; those in which a run diverged or
// failed come after those in which none did.
[[nodiscard]] SweepComparison compare(const Sweep& sweep, const std::vector<std::vector<size_t>>& rungs,
                                      const std::vector<RunOutcome>& outcomes);

// For people: a line for each setting.
[[nodiscard]] std::string comparison_table(const SweepComparison& comparison, const Sweep& sweep);

// results.json and results.csv (a line for each run).
[[nodiscard]] nlohmann::ordered_json comparison_to_json(const SweepComparison& comparison, const Sweep& sweep,
                                                        const std::vector<RunOutcome>& outcomes);
[[nodiscard]] std::string results_csv(const Sweep& sweep, const std::vector<RunOutcome>& outcomes);

// "ended", "diverged", "failed".
[[nodiscard]] std::string outcome_word(const RunOutcome& outcome);

// The keys that settings set, in the order of their first appearance.
[[nodiscard]] std::vector<std::string> swept_keys(const Sweep& sweep);

// report.html: self-contained, but for links to the runs' own reports.
[[nodiscard]] std::string comparison_page(const SweepComparison& comparison, const Sweep& sweep,
                                          const std::vector<RunOutcome>& outcomes);

}  // namespace fer_ddp
