#include "data/shard_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/checksum.h"
#include "core/error.h"
#include "core/text.h"
#include "data/import_ahead.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

const std::vector<int64_t> kImageShape = {kImageSide, kImageSide};

// Takes the rows of a shard in order, a chunk at a time.
class ContentObserver {
 public:
  void add(Split split, const ImageRowsView& rows) {
    digits_ += checksum(std::as_bytes(rows.images));
    digits_ += checksum(std::as_bytes(rows.labels));
    digits_ += checksum(std::as_bytes(rows.source_rows));
    for (const uint8_t label : rows.labels) ++class_counts_[split][label];
  }

  [[nodiscard]] ShardContent content() const { return {checksum(digits_), class_counts_}; }

 private:
  std::string digits_;
  PerSplit<ClassCounts> class_counts_{};
};

std::string dataset_name(Split split, const char* name) { return split_name(split) + "/" + name; }

void write_split(Hdf5File& file, Split split, const std::vector<int32_t>& rows, const Importer& importer, int threads,
                 ContentObserver& observer) {
  const auto count = static_cast<int64_t>(rows.size());
  file.create_group(split_name(split));
  Hdf5Dataset images =
      file.create_dataset(dataset_name(split, "images"), Hdf5Type::kUint8, count, kImageShape, kChunkRows);
  Hdf5Dataset labels = file.create_dataset(dataset_name(split, "labels"), Hdf5Type::kUint8, count, {}, kChunkRows);
  Hdf5Dataset source_rows =
      file.create_dataset(dataset_name(split, "source_row"), Hdf5Type::kInt32, count, {}, kChunkRows);
  ImportAhead chunks(importer, rows, kChunkRows, threads);
  for (int64_t begin = 0; begin < count; begin += kChunkRows) {
    const ImageRowsView part = chunks.next();
    observer.add(split, part);
    images.write(begin, part.images);
    labels.write(begin, part.labels);
    source_rows.write(begin, part.source_rows);
  }
  for (Hdf5Dataset* dataset : {&images, &labels, &source_rows}) dataset->close();
}

}  // namespace

Error damaged_shard(const std::string& what) {
  return user_error(what, "Copy it again, or make the shards again: fer-ddp preprocess INPUT OUT --overwrite.");
}

void add_counts(const ClassCounts& counts, ClassCounts& sum) {
  for (size_t label = 0; label < counts.size(); ++label) sum[label] += counts[label];
}

ShardContent write_shard(const fs::path& path, const SplitRows& rows, const Importer& importer, int threads) {
  ContentObserver observer;
  Hdf5File file = Hdf5File::create(path);
  for (const Split split : kSplits) write_split(file, split, rows[split], importer, threads, observer);
  file.close();
  return observer.content();
}

ShardReader::ShardReader(const fs::path& shards, const Manifest& manifest, int index)
    : ShardReader(require_intact_file(shards, manifest, index), manifest.shards[static_cast<size_t>(index)]) {}

ShardReader ShardReader::of_just_written(const fs::path& path, const ShardEntry& entry) { return {path, entry}; }

ShardReader::ShardReader(const fs::path& path, const ShardEntry& entry)
    : path_(path.string()), file_(Hdf5File::open(path)) {
  for (const Split split : kSplits) {
    Datasets& datasets = datasets_[split];
    datasets.images = file_.open_dataset(dataset_name(split, "images"), Hdf5Type::kUint8, kImageShape);
    datasets.labels = file_.open_dataset(dataset_name(split, "labels"), Hdf5Type::kUint8, {});
    datasets.source_rows = file_.open_dataset(dataset_name(split, "source_row"), Hdf5Type::kInt32, {});
    for (const Hdf5Dataset* dataset : {&datasets.images, &datasets.labels, &datasets.source_rows}) {
      if (dataset->rows() == entry.rows[split]) continue;
      throw damaged_shard(fmt::format("{}: has {} {} rows, {} says {}", path_, grouped(dataset->rows()),
                                      split_name(split), kManifestName, grouped(entry.rows[split])));
    }
  }
}

void ShardReader::read(Split split, int64_t first_row, const ImageRowsView& into) const {
  const Datasets& datasets = datasets_[split];
  datasets.images.read(first_row, into.images);
  datasets.labels.read(first_row, into.labels);
  datasets.source_rows.read(first_row, into.source_rows);
  if (std::any_of(into.labels.begin(), into.labels.end(), [](uint8_t label) { return label >= kExpressionCount; }))
    throw damaged_shard(fmt::format("{}: has labels above {} in {}", path_, kExpressionCount - 1, split_name(split)));
  if (std::adjacent_find(into.source_rows.begin(), into.source_rows.end(), std::greater_equal<>()) !=
      into.source_rows.end())
    throw damaged_shard(fmt::format("{}: has source rows out of order in {}", path_, split_name(split)));
}

ShardContent ShardReader::read_all() const {
  ContentObserver observer;
  ImageRows chunk(kChunkRows);
  for (const Split split : kSplits) {
    const int64_t rows = datasets_[split].labels.rows();
    for (int64_t begin = 0; begin < rows; begin += kChunkRows) {
      const ImageRowsView part = chunk.first(std::min(kChunkRows, rows - begin));
      read(split, begin, part);
      observer.add(split, part);
    }
  }
  return observer.content();
}

bool has_size_of_manifest(const fs::path& shards, const ShardEntry& entry) {
  std::error_code failure;
  const fs::path path = shards / entry.file;
  return fs::is_regular_file(path, failure) && static_cast<int64_t>(fs::file_size(path, failure)) == entry.bytes;
}

fs::path require_intact_file(const fs::path& shards, const Manifest& manifest, int index) {
  const ShardEntry& entry = manifest.shards[static_cast<size_t>(index)];
  fs::path path = shards / entry.file;
  if (!fs::is_regular_file(path)) throw damaged_shard(fmt::format("{}: is missing", path.string()));
  const std::string found = file_checksum(path);
  if (found == entry.checksum && has_size_of_manifest(shards, entry)) return path;
  for (const ShardEntry& other : manifest.shards) {
    if (other.checksum == found && &other != &entry)
      throw damaged_shard(fmt::format("{}: holds what belongs into {}", path.string(), other.file));
  }
  const auto bytes = static_cast<int64_t>(fs::file_size(path));
  if (bytes != entry.bytes) {
    throw damaged_shard(fmt::format("{}: has {} bytes, {} says {}", path.string(), grouped(bytes), kManifestName,
                                    grouped(entry.bytes)));
  }
  throw damaged_shard(fmt::format("{}: is damaged: its checksum is not the one in {}", path.string(), kManifestName));
}

void require_class_counts(const ClassCounts& found, const Manifest& manifest, Split split, const fs::path& shards) {
  if (found == manifest.class_counts[split]) return;
  throw damaged_shard(fmt::format("{}: the labels of {} are not as many of each class as {} says", shards.string(),
                                  split_name(split), kManifestName));
}

}  // namespace fer_ddp
