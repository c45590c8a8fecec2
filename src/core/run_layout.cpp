#include "core/run_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "core/error.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

using Kind = RunEntry::Kind;

constexpr std::array<RunEntry, 7> kCheckpointFiles = {{
    {.name = "state.json"},
    {.name = "weights.safetensors"},
    {.name = "optimizer.safetensors"},
    {.name = "best.safetensors"},
    {.name = "lowest_loss.safetensors"},
    {.name = "highest_accuracy.safetensors"},
    {.name = "COMPLETE"},
}};

// The names of train/checkpoint_folder.h, also of checkpoints that were moved aside. "epoch-best" is a user's.
constexpr std::array<RunEntry, 5> kCheckpointFolders = {{
    {.name = "epoch-#-step-#", .kind = Kind::kFolder, .inside = kCheckpointFiles},
    {.name = "damaged-epoch-#-step-#", .kind = Kind::kFolder, .inside = kCheckpointFiles},
    {.name = "damaged-epoch-#-step-#-#", .kind = Kind::kFolder, .inside = kCheckpointFiles},
    {.name = "superseded-epoch-#-step-#", .kind = Kind::kFolder, .inside = kCheckpointFiles},
    {.name = "superseded-epoch-#-step-#-#", .kind = Kind::kFolder, .inside = kCheckpointFiles},
}};

constexpr std::array<RunEntry, 2> kShardFiles = {{
    {.name = "manifest.json"},
    {.name = "shard-#-of-#.h5"},
}};

constexpr std::array<RunEntry, 2> kTeacherFiles = {{
    {.name = run_file::kNetwork},
    {.name = run_file::kModel},
}};

constexpr std::array<RunEntry, 1> kTeacherFolders = {{
    {.name = "#", .kind = Kind::kFolder, .inside = kTeacherFiles},
}};

constexpr std::array<RunEntry, 18> kLayout = {{
    {.name = run_file::kConfig, .holds = "the resolved configuration, every key; may be given to `--config` again"},
    {.name = run_file::kNetwork,
     .holds = "the network that it trains, with every option; `model` may name it in another run"},
    {.name = run_file::kHistory,
     .holds =
         "one line an epoch: loss, accuracy, validation loss and accuracy, learning rate, seconds, images a second"},
    {.name = run_file::kReport,
     .holds =
         "one self-contained page: curves, what the best epochs by loss and by accuracy are worth, per-class scores, "
         "confusion matrix, calibration, the most confident mistakes"},
    {.name = run_file::kResult,
     .holds = "why it stopped, best epochs by loss and by accuracy, test scores of both and of the last one, ranks and "
              "their hosts"},
    {.name = run_file::kModel, .holds = "the weights it ends with, in PyTorch's names and layouts"},
    {.name = run_file::kLowestLoss,
     .holds = "the weights of the epoch with the lowest validation loss, where they are not those it ends with"},
    {.name = run_file::kHighestAccuracy,
     .holds = "those of the epoch with the highest validation accuracy, where they are neither of these"},
    {.name = run_file::kPredictions,
     .holds = "one line a test image: its row in the data's source, what it is, what it is taken for, how surely"},
    {.name = run_file::kRawModel, .holds = "with `average_weights`, the weights that those are the average of"},
    {.name = run_file::kCheckpoints,
     .kind = Kind::kFolder,
     .holds = "the newest two, weights and optimizer and position",
     .inside = kCheckpointFolders},
    {.name = run_file::kTeachers,
     .kind = Kind::kFolder,
     .holds =
         "with `distill_from`, the networks and weights that it learns from, which a resume reads instead of those",
     .inside = kTeacherFolders},
    {.name = "events.out.tfevents.*", .holds = "for TensorBoard"},
    {.name = run_file::kLog, .holds = "everything it said, one JSON object a line"},
    {.name = run_file::kStatus, .holds = "where the status service and the metrics are, while it runs"},
    {.name = run_file::kLease, .holds = "which process trains here, while it runs: a second one is refused"},
    {.name = run_file::kShards,
     .kind = Kind::kFolder,
     .holds = "where `data` was no folder of shards: what it was turned into",
     .inside = kShardFiles},
    {.name = run_file::kMark, .holds = "says that the folder is a run's, which `--overwrite` may replace"},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// RunEntry::name's own small language: '#' stands for one digit or more, '*' for anything.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*')
    return matches_pattern(pattern.substr(1), text) || (!text.empty() && matches_pattern(pattern, text.substr(1)));
  if (text.empty()) return false;
  if (pattern.front() != '#')
    return pattern.front() == text.front() && matches_pattern(pattern.substr(1), text.substr(1));
  return is_digit(text.front()) &&
         (matches_pattern(pattern, text.substr(1)) || matches_pattern(pattern.substr(1), text.substr(1)));
}

// What is at a path, sorted: what a run wrote, the contents of a folder before the folder; and what it did not.
struct Sorted {
  std::vector<fs::path> ours;
  std::vector<fs::path> foreign;

  void add(const fs::path& path, const RunEntry& entry) {
    if (!is_of_kind(path, entry)) {
      foreign.push_back(path);
      return;
    }
    if (entry.kind == Kind::kFolder)
      for (const fs::directory_entry& part : fs::directory_iterator(path)) add_part(part.path(), entry.inside);
    ours.push_back(path);
  }

 private:
  void add_part(const fs::path& path, std::span<const RunEntry> layout) {
    const std::string name = path.filename().string();
    if (const RunEntry* entry = find_entry(layout, name)) {
      add(path, *entry);
    } else if (is_unfinished(layout, name)) {
      add_all_of(path);
    } else {
      foreign.push_back(path);
    }
  }

  // An unfinished folder with whatever is in it.
  void add_all_of(const fs::path& path) {
    if (fs::symlink_status(path).type() == fs::file_type::directory)
      for (const fs::directory_entry& part : fs::directory_iterator(path)) add_all_of(part.path());
    ours.push_back(path);
  }
};

[[noreturn]] void fail_to_remove(const fs::path& path, const std::error_code& failure) {
  throw machine_error(fmt::format("{}: cannot be removed: {}", path.string(), failure.message()));
}

void remove_unfinished_of(const fs::path& folder, std::span<const RunEntry> layout) {
  std::vector<fs::path> left;
  for (const fs::directory_entry& part : fs::directory_iterator(folder))
    if (is_unfinished(layout, part.path().filename().string())) left.push_back(part.path());
  for (const fs::path& path : left) {
    std::error_code failure;
    fs::remove_all(path, failure);
    if (failure) fail_to_remove(path, failure);
  }
  for (const fs::directory_entry& part : fs::directory_iterator(folder)) {
    const RunEntry* entry = find_entry(layout, part.path().filename().string());
    if (entry != nullptr && entry->kind == Kind::kFolder && fs::is_directory(part.path()))
      remove_unfinished_of(part.path(), entry->inside);
  }
}

}  // namespace

bool RunEntry::matches(std::string_view file_name) const { return matches_pattern(name, file_name); }

std::span<const RunEntry> run_layout() { return kLayout; }

const RunEntry* find_entry(std::span<const RunEntry> layout, std::string_view file_name) {
  const auto found =
      std::find_if(layout.begin(), layout.end(), [&](const RunEntry& entry) { return entry.matches(file_name); });
  return found == layout.end() ? nullptr : &*found;
}

// Shards are made aside twice, a replaced folder stands aside as ".NAME.replaced.partial", and ".NAME.claim.partial"
// says who makes one.
bool is_unfinished(std::span<const RunEntry> layout, std::string_view file_name) {
  constexpr std::string_view kEnding = ".partial";
  constexpr std::array<std::string_view, 2> kAlso = {".replaced", ".claim"};
  while (file_name.starts_with('.') && file_name.ends_with(kEnding) && file_name.size() > kEnding.size() + 1) {
    file_name = file_name.substr(1, file_name.size() - 1 - kEnding.size());
    for (const std::string_view also : kAlso)
      if (file_name.ends_with(also)) file_name.remove_suffix(also.size());
    if (find_entry(layout, file_name) != nullptr) return true;
  }
  return false;
}

bool is_of_kind(const fs::path& path, const RunEntry& entry) {
  const fs::file_type type = fs::symlink_status(path).type();
  return type == (entry.kind == Kind::kFolder ? fs::file_type::directory : fs::file_type::regular);
}

std::vector<fs::path> remove_entry(const fs::path& path, const RunEntry& entry) {
  Sorted found;
  found.add(path, entry);
  for (const fs::path& ours : found.ours) {
    std::error_code failure;
    fs::remove(ours, failure);
    const bool holds_more = failure == std::errc::directory_not_empty || failure == std::errc::file_exists;
    if (failure && !holds_more) fail_to_remove(ours, failure);
  }
  return found.foreign;
}

std::vector<fs::path> foreign_parts(const fs::path& path, const RunEntry& entry) {
  Sorted found;
  found.add(path, entry);
  return found.foreign;
}

void remove_unfinished(const fs::path& folder) { remove_unfinished_of(folder, run_layout()); }

std::string run_layout_markdown() {
  std::string table = "| file | holds |\n|---|---|\n";
  for (const RunEntry& entry : run_layout())
    table += fmt::format("| `{}{}` | {} |\n", entry.name, entry.kind == Kind::kFolder ? "/" : "", entry.holds);
  return table;
}

}  // namespace fer_ddp
