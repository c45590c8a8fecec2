#include "data/preprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/text.h"
#include "core/threads.h"
#include "data/importer.h"
#include "data/shard_file.h"
#include "data/staging_folder.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

SplitRows rows_of_shard(const SplitRows& rows, int64_t shard, int shard_count) {
  SplitRows part;
  for (const Split split : kSplits) {
    const PositionRange range =
        shard_rows(static_cast<int64_t>(rows[split].size()), static_cast<int>(shard), shard_count);
    part[split].assign(rows[split].begin() + range.begin, rows[split].begin() + range.end);
  }
  return part;
}

// Asks the disk to begin: the next shard is imported while it works.
void start_writing_to_disk(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  (void)::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
  ::close(file);
}

// Waits for the disk, and reads the shard back.
ShardEntry finish_shard(const fs::path& path, const SplitRows& rows, const ShardContent& written) {
  sync_to_disk(path);
  ShardEntry entry{path.filename().string(), static_cast<int64_t>(fs::file_size(path)), {}, {}};
  for (const Split split : kSplits) entry.rows[split] = static_cast<int64_t>(rows[split].size());
  ShardContent found;
  std::string fault;
  try {
    run_in_threads(2, [&](int thread) {
      if (thread == 0) found = ShardReader::of_just_written(path, entry).read_all();
      if (thread == 1) entry.checksum = file_checksum(path);
    });
    if (found != written) fault = "it holds other than was written";
  } catch (const Error& failure) {  // which would blame the user for a damaged shard
    fault = failure.what();
  }
  if (!fault.empty())
    throw machine_error(fmt::format("{}: does not read back: {}", path.string(), fault),
                        "The disk or the memory is faulty.");
  return entry;
}

// What this rank adds to the manifest: its shards, a contiguous part of all, and how many of each class they hold.
Manifest write_shards(const PreprocessOptions& options, const fs::path& folder, const SplitRows& rows,
                      const Importer& importer, const Communicator& communicator) {
  const PositionRange mine = rank_share({0, options.shards}, communicator.rank(), communicator.size());
  const auto path_of = [&](int64_t shard) { return folder / shard_file_name(static_cast<int>(shard), options.shards); };
  std::vector<ShardContent> written;
  for (int64_t shard = mine.begin; shard < mine.end; ++shard) {
    written.push_back(
        write_shard(path_of(shard), rows_of_shard(rows, shard, options.shards), importer, options.threads));
    start_writing_to_disk(path_of(shard));
  }
  Manifest part;
  for (int64_t shard = mine.begin; shard < mine.end; ++shard) {
    const ShardContent& content = written[static_cast<size_t>(shard - mine.begin)];
    part.shards.push_back(finish_shard(path_of(shard), rows_of_shard(rows, shard, options.shards), content));
    for (const Split split : kSplits) add_counts(content.class_counts[split], part.class_counts[split]);
  }
  return part;
}

// Shards are imported in another order than the source's: once a row has turned out broken, look for the lowest one.
void report_lowest_broken_row(const Importer& importer, Communicator& communicator) {
  const PositionRange mine = rank_share({0, importer.source().rows}, communicator.rank(), communicator.size());
  run_together(communicator, [&] { importer.reader()->check(mine); });
}

Manifest gathered_manifest(const Manifest& mine, const Importer& importer, SplitRule rule, Communicator& communicator) {
  Manifest manifest;
  manifest.source = importer.source();
  manifest.split_rule = rule;
  manifest.class_names = expression_names();
  for (const std::string& text : communicator.all_gather(manifest_text(mine))) {
    const Manifest part = parse_manifest(text, kManifestName);
    manifest.shards.insert(manifest.shards.end(), part.shards.begin(), part.shards.end());
    for (const Split split : kSplits) add_counts(part.class_counts[split], manifest.class_counts[split]);
  }
  return manifest;
}

// What the shards hold otherwise than the input, over all ranks.
PictureChanges summed_changes(const Importer& importer, Communicator& communicator) {
  const PictureChanges mine = importer.changes();
  std::array<int64_t, 3> counts = {mine.scaled, mine.cropped, mine.turned_grey};
  communicator.all_reduce(std::span<int64_t>(counts), ReduceOperation::kSum);
  return {counts[0], counts[1], counts[2]};
}

void log_changes(const PictureChanges& changes, const Source& source, RunLog& log) {
  std::vector<std::string> parts;
  if (changes.scaled > 0)
    parts.push_back(fmt::format("{} scaled to {} x {} pixels", grouped(changes.scaled), kImageSide, kImageSide));
  if (changes.cropped > 0) parts.push_back(fmt::format("{} cut to their middle square", grouped(changes.cropped)));
  if (changes.turned_grey > 0) parts.push_back(fmt::format("{} turned grey", grouped(changes.turned_grey)));
  if (parts.empty()) return;
  log.info("pictures_changed",
           fmt::format("{}: of {} pictures {}", source.name, grouped(source.rows), fmt::join(parts, ", ")),
           {{"scaled", changes.scaled}, {"cropped", changes.cropped}, {"turned_grey", changes.turned_grey}});
}

void log_speed(const Manifest& manifest, double seconds, RunLog& log) {
  const double megabytes = static_cast<double>(manifest.source.bytes) / 1e6;
  log.info("preprocessed",
           fmt::format("{}: {} rows in {} verified shards, {:.2f} s, {:.0f} MB/s", manifest.source.name,
                       grouped(manifest.source.rows), manifest.shard_count(), seconds, megabytes / seconds),
           {{"rows", manifest.source.rows}, {"shards", manifest.shard_count()}, {"seconds", seconds}});
}

}  // namespace

Manifest preprocess(const PreprocessOptions& options, Communicator& communicator, RunLog& log) {
  const auto start = std::chrono::steady_clock::now();
  StagingFolder staging(options.output, options.overwrite, communicator);
  const std::unique_ptr<Importer> importer =
      open_importer(options.input, staging.scratch(), options.threads, communicator);
  SplitRows rows;
  run_together(communicator, [&] { rows = split_rows(*importer, options.split_rule, options.input); });

  Manifest mine;
  try {
    run_together(communicator, [&] { mine = write_shards(options, staging.path(), rows, *importer, communicator); });
  } catch (const AgreedError& error) {
    if (error.fault() == Fault::kUser) report_lowest_broken_row(*importer, communicator);
    throw;
  }
  const PictureChanges changes = summed_changes(*importer, communicator);
  Manifest manifest = gathered_manifest(mine, *importer, options.split_rule, communicator);
  run_on_rank_0(communicator, [&] { write_file_atomically(staging.path() / kManifestName, manifest_text(manifest)); });
  staging.publish(options.check);
  for (const std::string& remark : importer->remarks(options.split_rule))
    log.info("import_remark", fmt::format("{}: {}", manifest.source.name, remark));
  log_changes(changes, manifest.source, log);
  log_speed(manifest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), log);
  return manifest;
}

}  // namespace fer_ddp
