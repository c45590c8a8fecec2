// How far a run of a sweep has come, as its folder tells: what decides whether there is anything left to train, whether
// its setting goes on to the next rung, and what the comparison says of it.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/error.h"
#include "core/run_result.h"

namespace fer_ddp {

struct RunOutcome {
  std::optional<RunResult> result{};  // of its last end; none: it never came to one
  // Of each epoch, from 0, what the sweep compares by; none where it was not validated.
  std::vector<std::optional<double>> values{};
  std::optional<double> lowest_loss{};       // validation
  std::optional<double> highest_accuracy{};  // validation
  std::optional<std::string> failure{};      // the configuration error that ended it
  size_t failed_in_rung = 0;

  [[nodiscard]] bool diverged() const;

  // Has nothing to train in a rung of this many epochs.
  [[nodiscard]] bool is_over(int epochs) const;

  // What its setting is judged by in a rung of this many epochs: the best of them. None where it failed or diverged
  // within them, or was never validated. Whatever comes after those epochs changes nothing.
  [[nodiscard]] std::optional<double> value_in(size_t rung, int epochs, Monitor by) const;
};

// `failure_file` is where a configuration error is kept, as write_failure() wrote it. What is not there (yet) is left
// empty. Throws Error where a file cannot be understood.
[[nodiscard]] RunOutcome read_outcome(const std::filesystem::path& run_folder,
                                      const std::filesystem::path& failure_file, Monitor by);

// Of a file of the sweep's folder. Throws Error (the user's fault) where it is not JSON.
[[nodiscard]] nlohmann::ordered_json read_json_file(const std::filesystem::path& path);

void write_failure(const std::filesystem::path& failure_file, const Error& error, size_t rung);

}  // namespace fer_ddp
