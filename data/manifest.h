// manifest.json: what a folder of shards holds, where it came from, and how to tell that it is whole. It is written
// last, so a folder that has one was finished. Its own "checksum" covers all of its other keys. Values and pure
// functions, but for the reading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/expressions.h"
#include "data/sampler.h"
#include "data/split.h"

namespace fer_ddp {

// Raised when an older fer-ddp could misread what this one writes.
inline constexpr int kShardFormatVersion = 1;
inline constexpr int kLargestShardCount = 99999;
inline constexpr std::string_view kManifestName = "manifest.json";

// The file that the images were imported from.
struct Source {
  std::string name;  // without its folder
  int64_t bytes = 0;
  std::string checksum;  // of its blocks' checksums: see block_checksum.h
  int64_t rows = 0;
  friend bool operator==(const Source&, const Source&) = default;
};

struct ShardEntry {
  std::string file;
  int64_t bytes = 0;
  std::string checksum;
  PerSplit<int64_t> rows{};
  friend bool operator==(const ShardEntry&, const ShardEntry&) = default;
};

struct Manifest {
  Source source;
  SplitRule split_rule = SplitRule::kSeed;
  std::vector<std::string> class_names;
  std::vector<ShardEntry> shards;
  PerSplit<ClassCounts> class_counts{};

  [[nodiscard]] int64_t rows(Split split) const { return total(class_counts[split]); }
  [[nodiscard]] int shard_count() const { return static_cast<int>(shards.size()); }
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// "shard-00000-of-00004.h5".
[[nodiscard]] std::string shard_file_name(int shard, int shard_count);

// Which of a split's `rows` rows shard `shard` holds: contiguous, sizes differ by one at most.
[[nodiscard]] PositionRange shard_rows(int64_t rows, int shard, int shard_count);

// The share of a split's images that always guessing its largest class gets right; 0 where there are none.
[[nodiscard]] double majority_share(const ClassCounts& counts);

[[nodiscard]] std::string manifest_text(const Manifest& manifest);

// Throws Error (the user's fault) naming `path` where the text is damaged, or of a newer format than this fer-ddp
// knows.
[[nodiscard]] Manifest parse_manifest(std::string_view text, const std::filesystem::path& path);

// Throws Error (the user's fault) where the manifest's parts contradict each other, or describe other data than this
// fer-ddp's.
void require_consistent(const Manifest& manifest, const std::filesystem::path& path);

// The text of a shard folder's manifest. Throws Error (the user's fault) where there is none.
[[nodiscard]] std::string read_manifest_text(const std::filesystem::path& shards);

// The manifest of a shard folder, known to be consistent. Throws Error (the user's fault).
[[nodiscard]] Manifest read_manifest(const std::filesystem::path& shards);

// True for a folder that has a manifest, or at least a shard: `verify` and training then say what is wrong with it.
[[nodiscard]] bool is_shard_folder(const std::filesystem::path& path);

}  // namespace fer_ddp
