#include "launcher/run_claim.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/json_reader.h"
#include "core/json_text.h"
#include "core/option_table.h"
#include "core/run_layout.h"
#include "data/manifest.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

void require_same_past(const Config& config, const fs::path& folder) {
  const Config before = load_config(folder / run_file::kConfig);
  for (const Option& option : option_table()) {
    if (option.may_change(before) || option.value(config) == option.value(before)) continue;
    std::string what = fmt::format("{}: the run was started with {} {}, and cannot be resumed with {}", folder.string(),
                                   option.key, json_text(option.value(before)), json_text(option.value(config)));
    if (option.free_on_resume && before.schedule != ScheduleShape::kConstant)
      what += fmt::format(": its schedule, {}, depends on it", choice_word(before.schedule));
    else if (option.free_on_resume)
      what += fmt::format(": its finish_epochs, {}, are the last of them", before.finish_epochs);
    throw user_error(what, "Resume it as it was, or start another run with another output.");
  }
}

// config.json held this many keys, all that there were, when a run's folder bore no mark yet.
constexpr size_t kKeysBeforeTheMark = 46;

bool is_full_configuration(const fs::path& file) {
  if (!fs::is_regular_file(file)) return false;
  nlohmann::ordered_json config;
  try {
    config = parse_json(read_file(file, kMostTextBytes));
  } catch (const nlohmann::ordered_json::exception&) {
    return false;
  }
  if (!config.is_object() || config.size() < kKeysBeforeTheMark) return false;
  const auto is_option = [](const auto& item) {
    const auto table = option_table();
    return std::any_of(table.begin(), table.end(), [&](const Option& option) { return option.key == item.key(); });
  };
  const auto items = config.items();
  return std::all_of(items.begin(), items.end(), is_option);
}

bool is_run(const fs::path& folder) {
  if (fs::is_regular_file(folder / run_file::kMark)) return true;
  return is_full_configuration(folder / run_file::kConfig) &&
         (fs::exists(folder / run_file::kLog) || fs::exists(folder / run_file::kHistory));
}

// Without ".", "..", links and a slash at the end.
fs::path resolved(const fs::path& path) {
  const fs::path whole = fs::weakly_canonical(fs::absolute(path));
  return whole.has_filename() ? whole : whole.parent_path();
}

// The key of the configuration that names `path`, or something in it; empty: none does.
std::string input_at(const Config& config, const fs::path& path) {
  const std::array<std::pair<const char*, std::optional<std::string>>, 7> inputs = {
      {{"data", config.data},
       {"model", config.model},
       {"init", config.init},
       {"status_tls_certificate", config.status_tls_certificate},
       {"status_tls_key", config.status_tls_key},
       {"status_tls_client_ca", config.status_tls_client_ca},
       {"status_token_file", config.status_token_file}}};
  const fs::path whole = resolved(path);
  const auto holds = [&whole](const std::string& value) {
    const fs::path input = resolved(value);
    return std::mismatch(whole.begin(), whole.end(), input.begin(), input.end()).first == whole.end();
  };
  for (const auto& [key, value] : inputs)
    if (value && !value->empty() && holds(*value)) return key;
  if (std::any_of(config.distill_from.begin(), config.distill_from.end(), holds)) return "distill_from";
  return {};
}

bool is_data(const Config& config, const fs::path& path) {
  return !config.data.empty() && resolved(config.data) == resolved(path);
}

std::vector<fs::path> contents(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// What a start that failed or was killed may leave, and the next one clears away.
bool is_leftover(const std::string& name) { return RunLease::is_part(name) || is_unfinished(run_layout(), name); }

[[noreturn]] void refuse_in_the_way(const fs::path& folder, const std::string& what) {
  throw user_error(fmt::format("{}: {}", folder.string(), what), "Move that away, or choose another output.");
}

// A folder that is no run's may hold whatever a run leaves alone.
void refuse_what_would_be_replaced(const Config& config, const fs::path& folder) {
  for (const fs::path& path : contents(folder)) {
    const std::string name = path.filename().string();
    if (is_leftover(name) || find_entry(run_layout(), name) == nullptr) continue;
    if (name == run_file::kShards && is_data(config, path)) continue;
    refuse_in_the_way(folder, fmt::format("is no run's folder, but holds {}, which a run would replace", name));
  }
}

void refuse_to_overwrite_no_run(const fs::path& folder) {
  for (const fs::path& path : contents(folder)) {
    const std::string name = path.filename().string();
    if (is_leftover(name)) continue;
    refuse_in_the_way(folder, fmt::format("is no run's folder, which --overwrite could replace, and holds {}", name));
  }
}

// Shards take the place of a folder as a whole.
void refuse_mixed_shards(const Config& config, const fs::path& folder) {
  const fs::path shards = made_shards(config);
  if (is_shard_folder(config.data) || !fs::exists(fs::symlink_status(shards))) return;
  const std::vector<fs::path> foreign = foreign_parts(shards, *find_entry(run_layout(), run_file::kShards));
  if (foreign.empty()) return;
  refuse_in_the_way(folder, fmt::format("{} is not what a run writes, and stands where the shards go",
                                        foreign.front().lexically_relative(folder).string()));
}

// What is kept of a folder's old run although a run's list of files holds it.
bool stays(const Config& config, const std::optional<Config>& old, const fs::path& path) {
  return !input_at(config, path).empty() || (old && is_data(*old, path));
}

// The old run's configuration, where it can be read.
std::optional<Config> old_configuration(const fs::path& folder) {
  try {
    return load_config(folder / run_file::kConfig);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void refuse_to_overwrite(const Config& config, const fs::path& folder) {
  const std::optional<Config> old = old_configuration(folder);
  for (const fs::path& path : contents(folder)) {
    const std::string name = path.filename().string();
    const RunEntry* entry = find_entry(run_layout(), name);
    if (entry == nullptr) continue;
    if (!is_of_kind(path, *entry) && !is_data(config, path))
      refuse_in_the_way(folder, fmt::format("{} is not what a run writes under that name (a link?)", name));
    const std::string key = input_at(config, path);
    if (entry->kind == RunEntry::Kind::kFolder && !key.empty() && !is_data(config, path))
      refuse_in_the_way(folder, fmt::format("{} holds this run's {}, and --overwrite would remove it", name, key));
    if (name == run_file::kShards && !is_shard_folder(config.data) && old && is_data(*old, path))
      refuse_in_the_way(folder,
                        fmt::format("{} was given to the old run as its data, and stands where the shards go", name));
  }
}

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  const size_t shown = std::min(names.size(), kShown);
  const std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown), ", "));
  return shown == names.size() ? text : fmt::format("{} and {} more", text, names.size() - shown);
}

constexpr std::string_view kMarkText =
    "This folder is a run of fer-ddp. With --overwrite fer-ddp replaces what a run writes, and nothing else.\n";

}  // namespace

fs::path made_shards(const Config& config) { return fs::path(config.output) / run_file::kShards; }

fs::path unpublished_shards(const Config& config) { return partial_path(made_shards(config)); }

RunClaim::RunClaim(const Config& config, ExistingRun existing, std::function<bool()> asks_for_no_more, RunLog& log)
    : config_(config),
      existing_(existing),
      asks_for_no_more_(std::move(asks_for_no_more)),
      log_(log),
      folder_(config.output),
      resolved_(resolved(folder_)) {
  const bool may_be_live = fs::exists(folder_ / run_file::kLease);
  admit(may_be_live);
  if (is_over_) return;
  made_folder_ = topmost_missing(resolved_);
  try {
    lease_ = std::make_unique<RunLease>(folder_, [&](const std::string& holder) {
      log_.info("watching", fmt::format("{}: {} may use this folder; watching for 15 s whether it still lives",
                                        folder_.string(), holder));
    });
    admit(false);  // it may have changed until the lease was ours
    if (is_over_) lease_.reset();
    if (lease_) remove_unfinished(folder_);
  } catch (...) {
    give_back();
    throw;
  }
}

RunClaim::~RunClaim() { give_back(); }

void RunClaim::give_back() noexcept {
  std::error_code ignored;
  if (!begun_ && holds()) fs::remove_all(unpublished_shards(config_), ignored);
  lease_.reset();
  if (!begun_) remove_empty_folders(resolved_, made_folder_);
}

// Throws where the folder is not to be used. A run that is there and may be live is left to the lease to refuse.
void RunClaim::admit(bool may_be_live) {
  if (!fs::exists(folder_)) return;
  if (!fs::is_directory(folder_))
    throw user_error(fmt::format("{}: is a file, expected the run's folder", folder_.string()),
                     "Choose another output.");
  if (!is_run(folder_)) {
    refuse_what_would_be_replaced(config_, folder_);
    if (existing_ == ExistingRun::kOverwrite) refuse_to_overwrite_no_run(folder_);
    refuse_mixed_shards(config_, folder_);
    return;
  }
  if (existing_ == ExistingRun::kRefuse && !may_be_live)
    throw user_error(fmt::format("{}: already holds a run", folder_.string()),
                     "Go on with it by --resume, start it anew by --overwrite, or choose another output.");
  if (existing_ == ExistingRun::kResume) {
    // Without its config.json it was killed as it began, and has no past.
    if (fs::exists(folder_ / run_file::kConfig)) require_same_past(config_, folder_);
    is_over_ = fs::exists(folder_ / run_file::kResult) && asks_for_no_more_();
  }
  if (existing_ == ExistingRun::kOverwrite) refuse_to_overwrite(config_, folder_);
  if (!is_over_) refuse_mixed_shards(config_, folder_);
}

// The mark comes first, the old configuration goes last: wherever this is killed, the folder is a run's, and what is
// left of the old run is nobody else's.
void RunClaim::begin() {
  const PublishCheck may_publish = check();
  may_publish();
  begun_ = true;
  if (!fs::exists(folder_ / run_file::kMark)) write_file_atomically(folder_ / run_file::kMark, kMarkText, may_publish);
  if (existing_ == ExistingRun::kOverwrite) remove_old_run();
  std::error_code ignored;
  fs::remove(folder_ / run_file::kStatus, ignored);  // a killed run's
  if (fs::exists(unpublished_shards(config_))) {
    const fs::path made = made_shards(config_);
    if (fs::exists(made)) static_cast<void>(remove_entry(made, *find_entry(run_layout(), run_file::kShards)));
    publish(made, may_publish);
  }
  write_file_atomically(folder_ / run_file::kConfig, config_to_json(config_).dump(2) + "\n", may_publish);
  log_.open_file(folder_ / run_file::kLog);
}

void RunClaim::remove_old_run() {
  const std::optional<Config> old = old_configuration(folder_);
  std::vector<std::string> kept;
  for (const fs::path& path : contents(folder_)) {
    const std::string name = path.filename().string();
    const RunEntry* entry = find_entry(run_layout(), name);
    if (name == run_file::kMark || name == run_file::kConfig || is_leftover(name)) continue;
    if (entry == nullptr || stays(config_, old, path)) {
      kept.push_back(name);
      continue;
    }
    for (const fs::path& foreign : remove_entry(path, *entry))
      kept.push_back(foreign.lexically_relative(folder_).string());
  }
  if (!kept.empty())
    log_.info("kept", fmt::format("{}: kept what is not the old run's: {}", folder_.string(), listed(kept)),
              {{"files", kept}});
}

PublishCheck RunClaim::check() const {
  return [this] {
    try {
      lease_->require();
    } catch (const Error&) {
      log_.close_file();
      throw;
    }
  };
}

void RunClaim::require_as_last_seen() const {
  if (lease_->lost()) check()();
}

bool RunClaim::holds() const noexcept {
  try {
    if (!lease_) return false;
    lease_->require();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace fer_ddp
