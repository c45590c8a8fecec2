// Reads a run's folder back for the commands that come after training: config.json, history.csv, result.json, and the
// shards that the run learnt from; and makes the report of them. Rank 0 alone.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "core/atomic_file.h"
#include "core/run_log.h"
#include "core/run_result.h"
#include "report/report_run.h"

namespace fer_ddp {

// Does the folder hold a run, finished or not?
[[nodiscard]] bool holds_run(const std::filesystem::path& folder);

// Throws Error (the user's fault) where `folder` holds no run, or a file of it cannot be understood. Shards that are
// damaged or out of reach leave the report without its pictures and class counts, and a warning.
[[nodiscard]] ReportRun read_run(const std::filesystem::path& folder, RunLog& log);

// The result of a run that has ended. Throws Error (the user's fault) where it cannot be read.
[[nodiscard]] RunResult read_result(const std::filesystem::path& folder);

// The weights that a run ended with. Throws Error (the user's fault) where it has none: it has not finished, or it
// diverged too early.
[[nodiscard]] std::filesystem::path weights_of_run(const std::filesystem::path& folder);

// Throws Error (the user's fault) where the file `output` cannot be written: it is a folder, or the folder that is to
// hold it is not there.
void require_file_output(const std::filesystem::path& output);

// The same for a picture, whose name must end in `extension` (".png").
void require_picture_output(const std::filesystem::path& output, std::string_view extension);

// The shards that the run of `folder` learnt from: its configuration's data, or the ones made beside the run. None if
// neither is there (any more).
[[nodiscard]] std::optional<std::filesystem::path> shards_of_run(const std::filesystem::path& folder,
                                                                 const nlohmann::ordered_json& config);

// The report on one run, or on several compared, as one page at `output`.
void write_report(std::span<const std::filesystem::path> folders, const std::filesystem::path& output, RunLog& log,
                  const PublishCheck& check = {});

}  // namespace fer_ddp
