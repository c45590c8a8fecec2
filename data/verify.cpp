#include "data/verify.h"

#include "comm/agreement.h"
#include "data/sampler.h"
#include "data/shard_file.h"

namespace fer_ddp {

Manifest verify_shards(const std::filesystem::path& shards, Communicator& communicator) {
  Manifest manifest;
  run_together(communicator, [&] { manifest = read_manifest(shards); });

  PerSplit<ClassCounts> found{};
  run_together(communicator, [&] {
    const PositionRange mine = rank_share({0, manifest.shard_count()}, communicator.rank(), communicator.size());
    for (auto shard = static_cast<int>(mine.begin); shard < mine.end; ++shard) {
      const ShardContent content = ShardReader(shards, manifest, shard).read_all();
      for (const Split split : kSplits) add_counts(content.class_counts[split], found[split]);
    }
  });

  for (const Split split : kSplits) communicator.all_reduce(std::span<int64_t>(found[split]), ReduceOperation::kSum);
  run_together(communicator, [&] {
    for (const Split split : kSplits) require_class_counts(found[split], manifest, split, shards);
  });
  return manifest;
}

}  // namespace fer_ddp
