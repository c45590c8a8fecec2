#include "launcher/live_run.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/run_result.h"
#include "status/status_file.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> runs_with_status() {
  std::vector<std::string> folders;
  if (!fs::is_directory("runs")) return folders;
  for (const auto& entry : fs::directory_iterator("runs"))
    if (fs::exists(entry.path() / "status.json")) folders.push_back(entry.path().string());
  return folders;
}

LiveRun run_in(const std::string& folder) {
  if (!fs::exists(fs::path(folder) / "config.json"))
    throw user_error(fmt::format("{}: holds no run (no config.json)", folder), "Give the folder of a run.");
  const auto address = read_status_address(folder);
  if (!address) throw machine_error(over_text(folder));
  return {*address, folder, folder};
}

}  // namespace

std::string over_text(const std::string& folder) {
  const fs::path result = fs::path(folder) / "result.json";
  if (!fs::exists(result)) return fmt::format("run {} is not running, and has not finished: --resume={} goes on with it", folder, folder);
  try {
    const RunResult read = run_result_from_json(nlohmann::ordered_json::parse(read_file(result)), result.string());
    return fmt::format("run {} is over: {} after epoch {}; see {}/report.html", folder, read.stop_reason, read.epochs_run, folder);
  } catch (const std::exception&) {
    return fmt::format("run {} is over", folder);
  }
}

LiveRun find_live_run(const LiveRunChoice& choice) {
  if (!choice.run.empty() && !choice.address.empty()) throw user_error("both --run and an address were given", "Give one of them.");
  if (!choice.address.empty()) return {choice.address, choice.address, ""};
  if (!choice.run.empty()) return run_in(choice.run);
  const std::vector<std::string> candidates = runs_with_status();
  if (candidates.size() == 1) return run_in(candidates.front());
  throw user_error(candidates.empty() ? "no live run under ./runs" : fmt::format("{} live runs under ./runs", candidates.size()),
                   "Say which by --run RUN, or give the address of its status service.");
}

}  // namespace fer_ddp
