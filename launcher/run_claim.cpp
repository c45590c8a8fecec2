#include "launcher/run_claim.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/atomic_file.h"
#include "core/error.h"
#include "launcher/run_reader.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfigFile = "config.json";

// What a resumed run may change: how long and where it goes on, how it is watched and saved; never what the epochs
// behind it were.
constexpr std::array<std::string_view, 21> kFreeOnResume = {"epochs",
                                                            "early_stopping_patience",
                                                            "lr_patience",
                                                            "restore_best_weights",
                                                            "name",
                                                            "output",
                                                            "data",
                                                            "device",
                                                            "step",
                                                            "threads",
                                                            "collective_timeout_seconds",
                                                            "checkpoint_every_epochs",
                                                            "checkpoint_every_seconds",
                                                            "keep_checkpoints",
                                                            "status_address",
                                                            "status_tls_certificate",
                                                            "status_tls_key",
                                                            "status_tls_client_ca",
                                                            "status_token_file",
                                                            "metrics_address",
                                                            "metrics_in_the_clear"};

void require_same_past(const Config& config, const fs::path& folder) {
  const nlohmann::ordered_json now = config_to_json(config);
  const nlohmann::ordered_json before = config_to_json(load_config(folder / kConfigFile));
  for (const auto& [key, value] : now.items()) {
    const bool free = std::find(kFreeOnResume.begin(), kFreeOnResume.end(), key) != kFreeOnResume.end();
    if (free || value == before[key]) continue;
    throw user_error(fmt::format("{}: the run was started with {} {}, and cannot be resumed with {}", folder.string(),
                                 key, before[key].dump(), value.dump()),
                     "Resume it as it was, or start another run with another output.");
  }
}

}  // namespace

void prepare_output(const Config& config, ExistingRun existing) {
  const fs::path folder = config.output;
  if (fs::exists(folder) && !fs::is_directory(folder))
    throw user_error(fmt::format("{}: is a file, expected the run's folder", folder.string()),
                     "Choose another output.");
  if (holds_run(folder)) {
    if (existing == ExistingRun::kRefuse)
      throw user_error(fmt::format("{}: already holds a run", folder.string()),
                       "Go on with it by --resume, start it anew by --overwrite, or choose another output.");
    if (existing == ExistingRun::kResume) require_same_past(config, folder);
    if (existing == ExistingRun::kOverwrite) fs::remove_all(folder);
  }
  make_folder(folder);
}

void mark_as_run(const Config& config) {
  write_file_atomically(fs::path(config.output) / kConfigFile, config_to_json(config).dump(2) + "\n");
}

}  // namespace fer_ddp
