// The data set that runs learn from, from a configuration's `data`: a folder of shards as it is, or an input file,
// which is turned into shards once.
#pragma once

#include <filesystem>

#include "core/atomic_file.h"
#include "core/config.h"
#include "data/dataset.h"
#include "launcher/command.h"

namespace fer_ddp {

// Where the shards of an input file are, once they are made and published; and where they are made, which may be the
// same.
struct ShardPlaces {
  std::filesystem::path made{};
  std::filesystem::path to_make{};
  bool reuse = false;    // those that are there
  int threads = 1;       // to make them with
  PublishCheck check{};  // asked before they take their place
};

// Collective. The folder of shards to read: the configuration's own, or those made of its input file. Throws
// AgreedError where made ones are to be reused, but are of another file.
[[nodiscard]] std::filesystem::path provide_shards(const Config& config, const ShardPlaces& places, Session& session);

// Collective. Throws AgreedError, also where a run of this configuration could not learn from them.
[[nodiscard]] Dataset load_training_data(const std::filesystem::path& shards, const Config& config,
                                         Communicator& communicator);

}  // namespace fer_ddp
