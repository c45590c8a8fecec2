// Any form of input to verified shards. The ranks share the work: each indexes its part of the input, then imports,
// writes, syncs and reads back its part of the shards, several threads importing for the one that writes. The bytes
// written depend on the input, the number of shards and the split rule, never on how many ranks and threads there are.
// All or nothing: whatever fails, the output folder is left as it was.
#pragma once

#include <filesystem>

#include "comm/communicator.h"
#include "core/atomic_file.h"
#include "core/run_log.h"
#include "data/manifest.h"
#include "data/split.h"

namespace fer_ddp {

struct PreprocessOptions {
  std::filesystem::path input{};
  std::filesystem::path output{};
  int shards = 4;
  SplitRule split_rule = SplitRule::kSeed;
  bool overwrite = false;  // replaces shards that are there already
  int threads = 1;         // that import, on this rank; another one may have more or fewer
  PublishCheck check{};    // asked on rank 0 before the shards take their place
};

// Collective. Returns the manifest that was written. Throws AgreedError.
Manifest preprocess(const PreprocessOptions& options, Communicator& communicator, RunLog& log);

}  // namespace fer_ddp
