// Folders that are written aside. Made and removed by rank 0; no destructor communicates.
//
// The output folder while it is made: written as .NAME.partial beside its place, put there whole by publish(), and
// removed when it is not, with the parents that had to be made for it. One process at a time makes it: that holds the
// lease (core/run_lease.h) in .NAME.claim.partial, which one that was killed loses to whoever comes next.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "core/atomic_file.h"
#include "core/run_lease.h"

namespace fer_ddp {

class StagingFolder {
 public:
  // Collective. Throws AgreedError (the user's fault) where `output` is not empty and `overwrite` is not set, where
  // it holds anything else than shards: that is never deleted; and where another process is writing it.
  StagingFolder(const std::filesystem::path& output, bool overwrite, Communicator& communicator);
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  ~StagingFolder();

  // Where to write.
  [[nodiscard]] const std::filesystem::path& path() const { return partial_; }

  // A folder for what is needed only on the way; publish() removes it.
  [[nodiscard]] std::filesystem::path scratch() const { return partial_ / "scratch"; }

  // Collective. Puts the folder, complete and synced, in its place. What stood there before is gone; throws as the
  // constructor does where that may not be by now. `check` is asked on rank 0.
  void publish(const PublishCheck& check = {});

 private:
  void require_free_output() const;
  void make();
  void claim();
  [[nodiscard]] bool is_claimed() const noexcept;
  void discard() noexcept;
  void replace_output(const PublishCheck& check);

  Communicator& communicator_;
  std::filesystem::path shown_;  // as the user named it
  bool overwrite_;
  std::filesystem::path output_;
  std::filesystem::path partial_;
  std::filesystem::path claim_;
  std::filesystem::path made_parent_;  // the topmost parent that had to be made; empty: none
  std::unique_ptr<RunLease> lease_;    // on rank 0, of claim_
  bool made_ = false;
};

// A folder for what is never published, under a name that no other process has: .NAME.PID-RANDOM.partial beside
// `neighbour`, whose name is NAME, or where its parent does not exist, in the closest folder above that does. Gone
// with this.
class ScratchFolder {
 public:
  // Collective. Throws AgreedError (the user's fault) where it cannot be made.
  ScratchFolder(const std::filesystem::path& neighbour, Communicator& communicator);
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool made_ = false;  // by this rank
};

}  // namespace fer_ddp
