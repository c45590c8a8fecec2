// Checkpoints on disk: RUN/checkpoints/epoch-00003-step-00000012, each a folder of files written aside, fsynced,
// renamed, and then marked complete by a file COMPLETE that lists every file's checksum. What is not complete, or
// damaged, is passed over in favour of the one before. Rank 0's business alone; no communication here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/byte_sink.h"

namespace fer_ddp {

using CheckpointFiles = std::map<std::string, std::string>;   // bytes by file name
using CheckpointContent = std::map<std::string, ByteSource>;  // the same, on their way to the disk

class CheckpointFolder {
 public:
  // `keep`: how many complete checkpoints stay. `check` is asked before anything takes its final name.
  CheckpointFolder(std::filesystem::path folder, int keep, PublishCheck check = {})
      : folder_(std::move(folder)), keep_(keep), check_(std::move(check)) {}

  // Writes the checkpoint of `step` steps into `epoch`, then removes what is older than the newest `keep`. A complete
  // one of the same position is left as it is. Throws Error; what was there before is still good then.
  void write(int epoch, int64_t step, const CheckpointContent& content) const;

  // The newest complete, undamaged checkpoint; none if there is none. Appends a line to `passed_over` for each one that
  // was not good.
  [[nodiscard]] std::optional<CheckpointFiles> read_newest(std::vector<std::string>& passed_over) const;

 private:
  [[nodiscard]] std::vector<std::filesystem::path> newest_first() const;

  std::filesystem::path folder_;
  int keep_;
  PublishCheck check_;
};

}  // namespace fer_ddp
