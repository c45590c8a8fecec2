#include "data/staging_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <random>
#include <system_error>

#include "comm/agreement.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "data/manifest.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

// Without "." and "..", links and a slash at the end, so that its name and its parent are what they seem.
fs::path resolved(const fs::path& path) {
  const fs::path whole = fs::weakly_canonical(fs::absolute(path));
  return whole.has_filename() ? whole : whole.parent_path();
}

bool belongs_to_shards(const fs::path& file) {
  const std::string name = file.filename().string();
  return name == kManifestName || (name.starts_with("shard-") && name.ends_with(".h5"));
}

void refuse_output(const fs::path& shown, const fs::path& output, bool overwrite) {
  if (!fs::exists(output)) return;
  if (!fs::is_directory(output))
    throw user_error(fmt::format("{}: is a file, expected a folder to be made", shown.string()),
                     "Name another output.");
  if (fs::is_empty(output)) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(output)) {
    if (belongs_to_shards(entry.path())) continue;
    throw user_error(
        fmt::format("{}: holds other files than shards, such as {}", shown.string(), entry.path().filename().string()),
        "Name a new or an empty folder: --overwrite replaces shards alone.");
  }
  if (!overwrite)
    throw user_error(fmt::format("{}: holds shards already", shown.string()),
                     "Give --overwrite to replace them, or name another output.");
}

// Where the system refuses a path of the user's choice, the fault is the user's.
void with_reason(const fs::path& path, const std::function<void()>& work) {
  try {
    work();
  } catch (const fs::filesystem_error& failure) {
    throw user_error(fmt::format("{}: cannot be made: {}", path.string(), failure.code().message()));
  }
}

}  // namespace

StagingFolder::StagingFolder(const fs::path& output, bool overwrite, Communicator& communicator)
    : communicator_(communicator), shown_(output), overwrite_(overwrite) {
  run_together(communicator, [&] {
    with_reason(output, [&] {
      output_ = resolved(output);
      partial_ = partial_path(output_);
      claim_ = partial_path(output_.string() + ".claim");
    });
  });
  run_on_rank_0(communicator, [&] {
    with_reason(output, [&] {
      require_free_output();
      make();
    });
  });
}

StagingFolder::~StagingFolder() { discard(); }

void StagingFolder::require_free_output() const { refuse_output(shown_, output_, overwrite_); }

void StagingFolder::make() {
  made_parent_ = topmost_missing(partial_.parent_path());
  try {
    claim();
    require_free_output();  // it may have changed until the claim was ours
    made_ = true;
    fs::remove_all(partial_);  // what a killed process left
    make_folder(scratch());
  } catch (...) {
    discard();  // a constructor that throws has no destructor
    throw;
  }
}

void StagingFolder::claim() {
  try {
    lease_ = std::make_unique<RunLease>(claim_);
  } catch (const LeaseHeld&) {
    const std::optional<LeaseHolder> holder = LeaseWatch().look(claim_).holder;
    const std::string name = holder ? fmt::format(" (process {} on {})", holder->process.pid, holder->host) : "";
    throw user_error(fmt::format("{}: another process is writing it{}", shown_.string(), name),
                     "Wait for its end, or name another output.");
  }
}

bool StagingFolder::is_claimed() const noexcept {
  try {
    if (lease_) lease_->require();
    return lease_ != nullptr;
  } catch (const std::exception&) {
    return false;
  }
}

void StagingFolder::discard() noexcept {
  std::error_code ignored;
  if (made_ && is_claimed()) fs::remove_all(partial_, ignored);
  made_ = false;
  if (lease_) {
    lease_.reset();
    fs::remove(claim_, ignored);  // which fails where the next one has it already
  }
  remove_empty_folders(partial_.parent_path(), made_parent_);
  made_parent_.clear();
}

void StagingFolder::publish(const PublishCheck& check) {
  run_on_rank_0(communicator_, [&] {
    fs::remove_all(scratch());
    sync_to_disk(partial_);
    replace_output([&] {
      lease_->require();
      if (check) check();
    });
    made_ = false;
    discard();
  });
}

// Moves the old folder away in one step before the new one comes in one step: nobody sees a mixture of both.
void StagingFolder::replace_output(const PublishCheck& check) {
  check();
  require_free_output();
  const fs::path old = output_.parent_path() / fmt::format(".{}.replaced.partial", output_.filename().string());
  fs::remove_all(old);
  const bool replaces = fs::exists(output_);
  if (replaces) fs::rename(output_, old);
  try {
    fer_ddp::publish(output_, check);
  } catch (...) {
    std::error_code ignored;
    if (replaces) fs::rename(old, output_, ignored);
    throw;
  }
  fs::remove_all(old);
}

ScratchFolder::ScratchFolder(const fs::path& neighbour, Communicator& communicator) {
  std::string made;
  run_on_rank_0(communicator, [&] {
    with_reason(neighbour, [&] {
      const fs::path beside = resolved(neighbour);
      const fs::path missing = topmost_missing(beside.parent_path());
      const fs::path parent = (missing.empty() ? beside : missing).parent_path();
      path_ = partial_path(parent /
                           fmt::format("{}.{}-{:08x}", beside.filename().string(), ::getpid(), std::random_device{}()));
      made_ = fs::create_directory(path_);
      made = path_.string();
    });
  });
  path_ = broadcast_text(communicator, made);
}

ScratchFolder::~ScratchFolder() {
  if (!made_) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace fer_ddp
