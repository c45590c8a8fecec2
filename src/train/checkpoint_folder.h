// Checkpoints on disk: RUN/checkpoints/epoch-00003-step-00000012, each a folder of files written aside, fsynced,
// renamed, and then marked complete by a file COMPLETE that lists every file's checksum. What is not complete, or
// damaged, is passed over in favour of the one before; damaged ones are kept for people to look at, under a name that
// is no checkpoint's (damaged-epoch-00003-step-00000012). Whatever else lies in the folder, or in a checkpoint's, is
// neither read nor removed. Rank 0's business alone; no communication here.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/byte_sink.h"

namespace fer_ddp {

using CheckpointFiles = std::map<std::string, std::string>;   // bytes by file name
using CheckpointContent = std::map<std::string, ByteSource>;  // the same, on their way to the disk

struct CheckpointPosition {
  int epoch = 0;
  int64_t step = 0;  // steps of the epoch that are done
  friend auto operator<=>(const CheckpointPosition&,
                          const CheckpointPosition&) = default;  // NOLINT(modernize-use-nullptr)
};

// The folder's name of the checkpoint of a position, and back: none for every name that is not exactly one.
[[nodiscard]] std::string checkpoint_name(const CheckpointPosition& position);
[[nodiscard]] std::optional<CheckpointPosition> parse_checkpoint_name(std::string_view name);

// A checkpoint as it was found.
struct StoredCheckpoint {
  std::string path;
  CheckpointFiles files;
  friend bool operator==(const StoredCheckpoint&, const StoredCheckpoint&) = default;
};

class CheckpointFolder {
 public:
  // `keep`: how many complete checkpoints stay. `check` is asked before anything takes its final name or is removed.
  CheckpointFolder(std::filesystem::path folder, int keep, PublishCheck check = {})
      : folder_(std::move(folder)), keep_(keep), check_(std::move(check)) {}

  // Writes the checkpoint of `step` steps into `epoch`, then removes what is older than the newest `keep`. An undamaged
  // one of the same position is left as it is. One of a later position is of a past that the run has gone back behind:
  // it is moved aside, so that it never counts as the newest. Throws Error; what was there before is still good then.
  void write(int epoch, int64_t step, const CheckpointContent& content) const;

  // The newest complete, undamaged checkpoint; none if there is none. Damaged ones on the way are moved aside. Appends
  // a line to `passed_over` for each one that was not good. Throws Error where the disk does not let one be read: that
  // is no reason to go on from an older one.
  [[nodiscard]] std::optional<StoredCheckpoint> read_newest(std::vector<std::string>& passed_over) const;

 private:
  [[nodiscard]] std::vector<CheckpointPosition> newest_first() const;

  // Renames it to "REASON-NAME", or "REASON-NAME-2" where that is taken, and so on; returns its new path.
  std::filesystem::path move_aside(const CheckpointPosition& position, std::string_view reason) const;

  std::filesystem::path folder_;
  int keep_;
  PublishCheck check_;
};

}  // namespace fer_ddp
