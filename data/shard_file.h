// One shard: an HDF5 file with a group for each split, holding images [n, 48, 48], labels [n] and source_row [n], in
// chunks of 64 rows with Fletcher32 checksums and no compression. Its bytes depend on its rows alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/error.h"
#include "data/hdf5_file.h"
#include "data/image_rows.h"
#include "data/importer.h"
#include "data/manifest.h"
#include "data/split.h"

namespace fer_ddp {

inline constexpr int64_t kChunkRows = 64;

// What went into a shard, or came out of it.
struct ShardContent {
  std::string checksum;  // of images, labels and source rows, in order
  PerSplit<ClassCounts> class_counts;
  friend bool operator==(const ShardContent&, const ShardContent&) = default;
};

// Adds `counts` to `sum`, class by class.
void add_counts(const ClassCounts& counts, ClassCounts& sum);

// Reads `rows` from the importer, on `threads` threads beside the one that writes, and writes them to `path`. Neither
// synced nor verified yet.
[[nodiscard]] ShardContent write_shard(const std::filesystem::path& path, const SplitRows& rows,
                                       const Importer& importer, int threads);

// Reads and checks a shard. All errors are the user's fault, name the file and say what to do.
class ShardReader {
 public:
  // Shard `index` of the manifest. HDF5 gets to see the file once size and checksum are the manifest's, and not before:
  // the library trusts what it reads. Then checks that it has the groups and datasets of a shard, each with the rows
  // that the manifest says.
  ShardReader(const std::filesystem::path& shards, const Manifest& manifest, int index);

  // Opens a file that this process wrote itself, and which has no checksum yet.
  [[nodiscard]] static ShardReader of_just_written(const std::filesystem::path& path, const ShardEntry& entry);

  // Fills `into` with consecutive rows. Throws where a chunk is damaged, a label is none, or a source row not above the
  // one before.
  void read(Split split, int64_t first_row, const ImageRowsView& into) const;

  // Reads everything, a chunk at a time.
  [[nodiscard]] ShardContent read_all() const;

 private:
  struct Datasets {
    Hdf5Dataset images, labels, source_rows;
  };

  ShardReader(const std::filesystem::path& path, const ShardEntry& entry);

  std::string path_;
  Hdf5File file_;
  PerSplit<Datasets> datasets_;
};

// The path of shard `index` of the manifest. Throws unless it is there with the size and the checksum that the manifest
// says.
std::filesystem::path require_intact_file(const std::filesystem::path& shards, const Manifest& manifest, int index);

// Whether the shard is there with the size that the manifest says: what may be asked before anything else.
[[nodiscard]] bool has_size_of_manifest(const std::filesystem::path& shards, const ShardEntry& entry);

// Throws unless the labels found in all shards of a split are as many of each class as the manifest says.
void require_class_counts(const ClassCounts& found, const Manifest& manifest, Split split,
                          const std::filesystem::path& shards);

// What every damaged shard calls for.
[[nodiscard]] Error damaged_shard(const std::string& what);

}  // namespace fer_ddp
