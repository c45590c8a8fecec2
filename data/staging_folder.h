// The output folder while it is being made: written aside as .NAME.partial beside its place, put there whole by
// publish(), and removed, with the parents that had to be made for it, when it is not. Made and removed by rank 0; no
// destructor communicates.
#pragma once

#include <filesystem>
#include <string>

#include "comm/communicator.h"
#include "core/atomic_file.h"

namespace fer_ddp {

class StagingFolder {
 public:
  // Collective. Throws AgreedError (the user's fault) where `output` is not empty and `overwrite` is not set, or where
  // it holds anything else than shards: that is never deleted.
  StagingFolder(const std::filesystem::path& output, bool overwrite, Communicator& communicator);
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  ~StagingFolder();

  // Where to write.
  [[nodiscard]] const std::filesystem::path& path() const { return partial_; }

  // A folder for what is needed only on the way; publish() removes it.
  [[nodiscard]] std::filesystem::path scratch() const { return partial_ / "scratch"; }

  // Collective. Puts the folder, complete and synced, in its place. What stood there before is gone. `check` is asked
  // on rank 0.
  void publish(const PublishCheck& check = {});

 private:
  void make();
  void discard() noexcept;
  void replace_output(const PublishCheck& check);

  Communicator& communicator_;
  std::filesystem::path output_;
  std::filesystem::path partial_;
  std::filesystem::path made_parent_;  // the topmost parent that had to be made; empty: none
  bool made_ = false;
};

}  // namespace fer_ddp
