// Checks a folder of shards from end to end: the manifest against itself, every file against the manifest, every chunk
// against its checksum, labels and class counts.
#pragma once

#include <filesystem>

#include "comm/communicator.h"
#include "data/manifest.h"

namespace fer_ddp {

// Collective: the ranks share the work. Returns the manifest of sound shards. Throws AgreedError (the user's fault)
// naming the lowest damaged file and what to do.
Manifest verify_shards(const std::filesystem::path& shards, Communicator& communicator);

}  // namespace fer_ddp
