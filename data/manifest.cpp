#include "data/manifest.h"

#include <fmt/format.h>

#include <limits>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "data/block_checksum.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kFormat = "fer-ddp shards";
constexpr int64_t kMostRows = std::numeric_limits<int32_t>::max();

Json rows_to_json(const PerSplit<int64_t>& rows) {
  Json json = Json::object();
  for (const Split split : kSplits) json[split_name(split)] = rows[split];
  return json;
}

Json split_to_json(const ClassCounts& counts) {
  return {{"rows", total(counts)},
          {"class_counts", counts},
          {"majority_class", kExpressionNames[static_cast<size_t>(majority_class(counts))]},
          {"majority_share", majority_share(counts)}};
}

// The manifest's checksum of itself: of all other keys, written without spaces.
std::string own_checksum(Json json) {
  json.erase("checksum");
  return checksum(json_text(json));
}

Error damaged(const fs::path& path, const std::string& reason) {
  return user_error(fmt::format("{}: {}", path.string(), reason),
                    "Make the shards again: fer-ddp preprocess INPUT OUT --overwrite.");
}

ClassCounts counts_from_json(const Json& json) {
  ClassCounts counts{};
  for (size_t label = 0; label < counts.size(); ++label) counts[label] = whole_number<int64_t>(json.at(label));
  return counts;
}

Manifest from_json(const Json& json) {
  Manifest manifest;
  const Json& source = json.at("source");
  manifest.source = {source.at("name"), whole_number<int64_t>(source.at("bytes")), source.at("checksum"),
                     whole_number<int64_t>(source.at("rows"))};
  manifest.split_rule = parse_split_rule(json.at("split_rule").get<std::string>());
  manifest.class_names = json.at("class_names");
  for (const Split split : kSplits)
    manifest.class_counts[split] = counts_from_json(json.at("splits").at(split_name(split)).at("class_counts"));
  for (const Json& shard : json.at("shards")) {
    ShardEntry entry{shard.at("file"), whole_number<int64_t>(shard.at("bytes")), shard.at("checksum"), {}};
    for (const Split split : kSplits) entry.rows[split] = whole_number<int64_t>(shard.at("rows").at(split_name(split)));
    manifest.shards.push_back(std::move(entry));
  }
  return manifest;
}

// Rows are numbered by 32 bits; so many of them that sums and products of their numbers fit into 64.
bool has_possible_rows(const Manifest& manifest) {
  int64_t all = 0;
  for (const Split split : kSplits) {
    for (const int64_t count : manifest.class_counts[split]) {
      if (count < 0 || count > kMostRows) return false;
      all += count;
    }
  }
  return all <= kMostRows && manifest.source.rows >= 0 && manifest.source.bytes >= 0;
}

// What a shard's images take: they are not compressed, so its file is larger.
int64_t image_bytes(const ShardEntry& entry) {
  int64_t rows = 0;
  for (const Split split : kSplits) rows += entry.rows[split];
  return rows * kImagePixels;
}

}  // namespace

std::string shard_file_name(int shard, int shard_count) {
  return fmt::format("shard-{:05}-of-{:05}.h5", shard, shard_count);
}

PositionRange shard_rows(int64_t rows, int shard, int shard_count) { return rank_share({0, rows}, shard, shard_count); }

double majority_share(const ClassCounts& counts) {
  const int64_t all = total(counts);
  if (all == 0) return 0;
  return static_cast<double>(counts[static_cast<size_t>(majority_class(counts))]) / static_cast<double>(all);
}

std::string manifest_text(const Manifest& manifest) {
  Json shards = Json::array();
  for (const ShardEntry& shard : manifest.shards) {
    shards.push_back({{"file", shard.file},
                      {"bytes", shard.bytes},
                      {"checksum", shard.checksum},
                      {"rows", rows_to_json(shard.rows)}});
  }
  Json splits = Json::object();
  for (const Split split : kSplits) splits[split_name(split)] = split_to_json(manifest.class_counts[split]);
  const Source& source = manifest.source;
  Json json = {{"format", kFormat},
               {"format_version", kShardFormatVersion},
               {"source",
                {{"name", source.name},
                 {"bytes", source.bytes},
                 {"checksum", source.checksum},
                 {"checksum_rule", kBlockChecksumRule},
                 {"rows", source.rows}}},
               {"split_rule", choice_word(manifest.split_rule)},
               {"class_names", manifest.class_names},
               {"image_shape", {kImageSide, kImageSide}},
               {"splits", splits},
               {"shards", shards},
               {"checksum_rule", "xxh3-128 of each shard's file; of this file's other keys, as JSON without spaces"}};
  json["checksum"] = own_checksum(json);
  return json_text(json, 2) + "\n";
}

Manifest parse_manifest(std::string_view text, const fs::path& path) {
  try {
    const Json json = parse_json(text);
    if (json.at("format") != kFormat) throw damaged(path, "is not the manifest of fer-ddp shards");
    const auto version = whole_number<int64_t>(json.at("format_version"));
    if (version > kShardFormatVersion) {
      throw user_error(
          fmt::format("{}: has format version {}, this fer-ddp reads up to {}", path.string(), version,
                      kShardFormatVersion),
          "Use the fer-ddp that wrote the shards or a newer one, or preprocess the input again with this one.");
    }
    if (json.at("checksum") != own_checksum(json))
      throw damaged(path, "is damaged or was edited: it does not match its own checksum");
    return from_json(json);
  } catch (const Json::exception&) {
    throw damaged(path, "is damaged: it is not the JSON that fer-ddp writes");
  }
}

void require_consistent(const Manifest& manifest, const fs::path& path) {
  if (manifest.class_names != expression_names())
    throw damaged(path, "describes other classes than this fer-ddp knows");
  if (manifest.shards.empty() || manifest.shards.size() > kLargestShardCount)
    throw damaged(path, "lists no possible number of shards");
  if (!has_possible_rows(manifest)) throw damaged(path, "says an impossible number of rows");
  for (int shard = 0; shard < manifest.shard_count(); ++shard) {
    const ShardEntry& entry = manifest.shards[static_cast<size_t>(shard)];
    const std::string expected = shard_file_name(shard, manifest.shard_count());
    if (entry.file != expected) throw damaged(path, fmt::format("lists {} in the place of {}", entry.file, expected));
    for (const Split split : kSplits) {
      if (entry.rows[split] != shard_rows(manifest.rows(split), shard, manifest.shard_count()).size())
        throw damaged(path, fmt::format("contradicts itself about the rows of {}", entry.file));
    }
    if (image_bytes(entry) > entry.bytes)
      throw damaged(path, fmt::format("says more rows of {} than fit into its {} bytes", entry.file, entry.bytes));
  }
}

std::string read_manifest_text(const fs::path& shards) {
  const fs::path path = shards / kManifestName;
  if (fs::exists(path)) return read_file(path, kMostTextBytes);
  if (!fs::exists(shards))
    throw user_error(fmt::format("{}: no such folder", shards.string()),
                     "Expected a folder of shards, as `fer-ddp preprocess INPUT OUT` makes it.");
  throw user_error(
      fmt::format("{}: has no {}", shards.string(), kManifestName),
      "It is not a folder of shards, or one that was never finished: make it with fer-ddp preprocess INPUT OUT.");
}

Manifest read_manifest(const fs::path& shards) {
  const fs::path path = shards / kManifestName;
  Manifest manifest = parse_manifest(read_manifest_text(shards), path);
  require_consistent(manifest, path);
  return manifest;
}

bool is_shard_folder(const fs::path& path) {
  std::error_code failure;
  if (!fs::is_directory(path, failure)) return false;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, failure)) {
    const std::string name = entry.path().filename().string();
    if (name == kManifestName || (name.starts_with("shard-") && name.ends_with(".h5"))) return true;
  }
  return false;
}

}  // namespace fer_ddp
