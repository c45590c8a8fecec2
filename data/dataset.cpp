#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "comm/agreement.h"
#include "core/checksum.h"
#include "core/error.h"
#include "data/copies.h"
#include "data/shard_file.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr size_t kAlignment = 64;  // bytes: a cache line

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct WritableSplit {
  std::span<uint8_t> images;
  std::span<uint8_t> labels;
  std::span<int32_t> source_rows;
};

size_t split_bytes(int64_t rows) {
  const auto count = static_cast<size_t>(rows);
  return aligned(count * kImagePixels) + aligned(count) + aligned(count * sizeof(int32_t));
}

size_t all_bytes(const Manifest& manifest) {
  size_t bytes = kAlignment;
  for (const Split split : kSplits) bytes += split_bytes(manifest.rows(split));
  return bytes;
}

// Each split's images, then its labels, then its source rows.
PerSplit<WritableSplit> place_splits(const Manifest& manifest, std::span<std::byte> memory) {
  auto* at = reinterpret_cast<uint8_t*>(memory.data());
  PerSplit<WritableSplit> splits;
  for (const Split split : kSplits) {
    const auto rows = static_cast<size_t>(manifest.rows(split));
    uint8_t* labels = at + aligned(rows * kImagePixels);
    splits[split] = {
        {at, rows * kImagePixels}, {labels, rows}, {reinterpret_cast<int32_t*>(labels + aligned(rows)), rows}};
    at += split_bytes(manifest.rows(split));
  }
  return splits;
}

void read_shard(const fs::path& shards, const Manifest& manifest, int shard, const PerSplit<WritableSplit>& into) {
  const ShardReader reader(shards, manifest, shard);
  for (const Split split : kSplits) {
    const PositionRange rows = shard_rows(manifest.rows(split), shard, manifest.shard_count());
    const auto begin = static_cast<size_t>(rows.begin);
    const auto count = static_cast<size_t>(rows.size());
    reader.read(split, 0,
                {into[split].images.subspan(begin * kImagePixels, count * kImagePixels),
                 into[split].labels.subspan(begin, count), into[split].source_rows.subspan(begin, count)});
  }
}

// Throws unless the shards are there with the sizes that the manifest says; then of the lowest damaged one.
void require_sizes(const fs::path& shards, const Manifest& manifest, PositionRange range) {
  const auto entries =
      std::span(manifest.shards).subspan(static_cast<size_t>(range.begin), static_cast<size_t>(range.size()));
  if (std::all_of(entries.begin(), entries.end(),
                  [&](const ShardEntry& entry) { return has_size_of_manifest(shards, entry); }))
    return;
  for (int64_t shard = range.begin; shard < range.end; ++shard)
    require_intact_file(shards, manifest, static_cast<int>(shard));
}

ClassCounts counted(std::span<const uint8_t> labels) {
  ClassCounts counts{};
  for (const uint8_t label : labels) ++counts[label];
  return counts;
}

// Each split as its name and number of rows, pixels and labels. 82 MB, all of FER2013, take some 10 ms.
std::string content_checksum(const PerSplit<SplitView>& splits) {
  RunningChecksum running;
  for (const Split split : kSplits) {
    const std::string head = fmt::format("{} {}\n", split_name(split), splits[split].size());
    running.add(std::as_bytes(std::span(head)));
    running.add(std::as_bytes(splits[split].images));
    running.add(std::as_bytes(splits[split].labels));
  }
  return running.digits();
}

// Rank 0's rows to all ranks.
void broadcast_rows(std::vector<int32_t>& rows, Communicator& communicator) {
  std::array<int64_t, 1> count = {static_cast<int64_t>(rows.size())};
  communicator.broadcast(std::as_writable_bytes(std::span(count)), 0);
  rows.resize(static_cast<size_t>(count[0]));
  communicator.broadcast(std::as_writable_bytes(std::span(rows)), 0);
}

}  // namespace

Dataset load_dataset(const fs::path& shards, Communicator& communicator) {
  std::string text;
  Manifest manifest;
  run_on_rank_0(communicator, [&] { text = read_manifest_text(shards); });
  text = broadcast_text(communicator, text);
  run_together(communicator, [&] {
    manifest = parse_manifest(text, shards / kManifestName);
    require_consistent(manifest, shards / kManifestName);
  });

  const PositionRange mine =
      rank_share({0, manifest.shard_count()}, communicator.node_rank(), communicator.node_size());
  // Before memory is taken: then it is no more than the files hold.
  run_together(communicator, [&] { require_sizes(shards, manifest, mine); });
  NodeMemory memory = communicator.allocate_node_memory(all_bytes(manifest));
  const PerSplit<WritableSplit> places = place_splits(manifest, memory.bytes());
  run_together(communicator, [&] {
    for (int64_t shard = mine.begin; shard < mine.end; ++shard)
      read_shard(shards, manifest, static_cast<int>(shard), places);
  });
  communicator.barrier();

  PerSplit<SplitView> splits;
  for (const Split split : kSplits)
    splits[split] = {places[split].images, places[split].labels, places[split].source_rows};
  run_together(communicator, [&] {
    for (const Split split : kSplits) require_class_counts(counted(splits[split].labels), manifest, split, shards);
  });
  // One rank's suffices: what the others hold was checked against the same manifest.
  std::string content;
  PerSplit<std::vector<int32_t>> copies;
  run_on_rank_0(communicator, [&] {
    content = content_checksum(splits);
    copies = copies_of_training_rows(splits);
  });
  content = broadcast_text(communicator, content);
  for (const Split split : kSplits) broadcast_rows(copies[split], communicator);
  return {std::move(manifest), checksum(text), std::move(content), splits, std::move(copies), std::move(memory)};
}

}  // namespace fer_ddp
