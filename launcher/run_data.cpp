#include "launcher/run_data.h"

#include <fmt/format.h>

#include <array>

#include "comm/agreement.h"
#include "core/error.h"
#include "data/importer.h"
#include "data/manifest.h"
#include "data/preprocess.h"
#include "launcher/training_data.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// The shards that were made stand for the input that they were made from, which may be gone by now; for another
// one they do not.
void require_source(const fs::path& made, const fs::path& input) {
  if (!fs::exists(input)) return;
  if (is_source(read_manifest(made).source, input)) return;
  throw user_error(
      fmt::format("{}: is not the input that the run's data in {} was made from", input.string(), made.string()),
      fmt::format("Resume it with its own data; or remove {} to have it made anew.", made.string()));
}

}  // namespace

fs::path provide_shards(const Config& config, const ShardPlaces& places, Session& session) {
  enum Shards : int64_t { kGiven, kMade, kToMake };
  std::array<int64_t, 1> source = {kGiven};
  run_on_rank_0(session.communicator(), [&] {
    if (is_shard_folder(config.data)) return;
    source[0] = places.reuse && is_shard_folder(places.made) ? kMade : kToMake;
    if (source[0] == kMade) require_source(places.made, config.data);
  });
  session.communicator().broadcast(std::as_writable_bytes(std::span(source)), 0);
  if (source[0] == kGiven) return config.data;
  if (source[0] == kMade) return places.made;
  preprocess({.input = config.data,
              .output = places.to_make,
              .split_rule = config.split,
              .overwrite = true,
              .threads = places.threads,
              .check = places.check},
             session.communicator(), session.log);
  return places.to_make;
}

Dataset load_training_data(const fs::path& shards, const Config& config, Communicator& communicator) {
  Dataset dataset = load_dataset(shards, communicator);
  run_together(communicator, [&] {
    require_training_rows(dataset.split(Split::kTrain).size(), config);
    require_split_rule(dataset.manifest(), config);
  });
  return dataset;
}

}  // namespace fer_ddp
