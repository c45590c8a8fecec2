// What a run writes into its folder: the one list by which --overwrite removes an old run, a start clears away what a
// killed one left half-written, and README's table of a run's folder is made. What is not in it is the user's, and is
// never removed.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fer_ddp {

namespace run_file {

inline constexpr const char* kMark = ".fer-ddp-run";
inline constexpr const char* kConfig = "config.json";
inline constexpr const char* kNetwork = "network.json";
inline constexpr const char* kHistory = "history.csv";
inline constexpr const char* kReport = "report.html";
inline constexpr const char* kResult = "result.json";
inline constexpr const char* kModel = "model.safetensors";
inline constexpr const char* kLowestLoss = "lowest_loss.safetensors";
inline constexpr const char* kHighestAccuracy = "highest_accuracy.safetensors";
inline constexpr const char* kPredictions = "predictions.csv";
inline constexpr const char* kRawModel = "model_raw.safetensors";
inline constexpr const char* kCheckpoints = "checkpoints";
inline constexpr const char* kTeachers = "teachers";
inline constexpr const char* kLog = "log.jsonl";
inline constexpr const char* kStatus = "status.json";
inline constexpr const char* kLease = "lease.json";
inline constexpr const char* kShards = "shards";

}  // namespace run_file

struct RunEntry {
  enum class Kind { kFile, kFolder };

  std::string_view name;  // '*' stands for any text, '#' for digits
  Kind kind = Kind::kFile;
  std::string_view holds{};            // in README's words
  std::span<const RunEntry> inside{};  // of a folder

  [[nodiscard]] bool matches(std::string_view file_name) const;
};

// The entries of a run's folder.
[[nodiscard]] std::span<const RunEntry> run_layout();

// The entry of this name that a run writes; null: it writes none.
[[nodiscard]] const RunEntry* find_entry(std::span<const RunEntry> layout, std::string_view file_name);

// Is this a file or folder that atomic_file.h writes aside for an entry ("." NAME ".partial")?
[[nodiscard]] bool is_unfinished(std::span<const RunEntry> layout, std::string_view file_name);

// Is `path` what a run makes of `entry`: a file or a folder, and no symbolic link?
[[nodiscard]] bool is_of_kind(const std::filesystem::path& path, const RunEntry& entry);

// Removes what a run wrote at `path`. Of a folder everything that is listed, and the folder itself if nothing else is
// in it. Returns what stays, links among it: they are the user's.
[[nodiscard]] std::vector<std::filesystem::path> remove_entry(const std::filesystem::path& path, const RunEntry& entry);

// What remove_entry would keep.
[[nodiscard]] std::vector<std::filesystem::path> foreign_parts(const std::filesystem::path& path,
                                                               const RunEntry& entry);

// Removes what unfinished writes of a run have left in `folder` and in the folders of its layout.
void remove_unfinished(const std::filesystem::path& folder);

// The README's table of a run's folder.
[[nodiscard]] std::string run_layout_markdown();

}  // namespace fer_ddp
