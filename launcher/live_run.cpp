#include "launcher/live_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/host.h"
#include "core/run_result.h"
#include "status/status_file.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct Found {
  std::string address{};
  std::string name{};
  std::string folder{};
};

std::string name_of(const fs::path& folder) {
  try {
    return nlohmann::json::parse(read_file(folder / "config.json")).at("name").get<std::string>();
  } catch (const std::exception&) {
    return folder.string();
  }
}

// "run NAME is over: early_stopping after epoch 13; see FOLDER/report.html", from result.json where there is one.
Error over(const std::string& folder) {
  const fs::path result_path = fs::path(folder) / "result.json";
  const std::string name = name_of(folder);
  if (!fs::exists(result_path))
    return machine_error(
        fmt::format("run {} is not live, and not finished: --resume={} goes on with it", name, folder));
  const auto document = nlohmann::ordered_json::parse(read_file(result_path), nullptr, false);
  const RunResult result = run_result_from_json(document, result_path.string());
  const std::string epoch = result.final_epoch ? fmt::format("epoch {}", *result.final_epoch + 1) : "no epoch";
  return machine_error(
      fmt::format("run {} is over: {} after {}; see {}/report.html", name, result.stop_reason, epoch, folder));
}

// Its service listens on its own host's loopback.
void require_this_host(const StatusFile& file, const std::string& folder) {
  if (file.host == host_name()) return;
  throw user_error(fmt::format("run {} lives on {}, and answers there alone", file.run, file.host),
                   fmt::format("For example: ssh {} fer-ddp status {}", file.host, file.address) +
                       (fs::exists(fs::path(folder) / "result.json") ? ", if it still lives." : "."));
}

Found found_in(const std::string& folder) {
  if (!fs::exists(fs::path(folder) / "config.json"))
    throw user_error(fmt::format("{}: holds no run (no config.json)", folder), "Give the folder of a run.");
  const std::optional<StatusFile> file = read_status_file(folder);
  if (!file) throw over(folder);
  require_this_host(*file, folder);
  return {.address = file->address, .name = file->run, .folder = folder};
}

// Does the service that status.json tells of answer, and is it that run's? A killed run leaves its file behind.
bool answers(const std::string& folder) {
  try {
    const std::optional<StatusFile> file = read_status_file(folder);
    return file && file->host == host_name() && StatusClient(file->address).status().snapshot.run == file->run;
  } catch (const Error&) {
    return false;
  }
}

Found only_live_run() {
  std::vector<std::string> folders;
  if (fs::is_directory("runs"))
    for (const auto& entry : fs::directory_iterator("runs"))
      if (fs::exists(entry.path() / "status.json")) folders.push_back(entry.path().string());
  if (folders.size() > 1) std::erase_if(folders, [](const std::string& folder) { return !answers(folder); });
  if (folders.size() == 1) return found_in(folders.front());
  throw user_error(
      folders.empty() ? "no live run under ./runs" : fmt::format("several live runs: {}", fmt::join(folders, ", ")),
      "Say which by --run RUN, or give the address of its status service.");
}

Found find(const LiveRunChoice& choice) {
  if (!choice.address.empty()) return {.address = choice.address, .name = choice.address};
  return choice.run.empty() ? only_live_run() : found_in(choice.run);
}

}  // namespace

void add_live_run_options(CLI::App& command, LiveRunChoice& choice) {
  CLI::Option* address = command.add_option("ADDRESS", choice.address, "HOST:PORT of the run's status service");
  command.add_option("--run", choice.run, "The run's folder")->excludes(address);
}

void ask_live_run(const LiveRunChoice& choice, const std::function<void(const LiveRun&)>& ask) {
  const Found found = find(choice);
  try {
    StatusClient client(found.address);
    ask({.name = found.name, .client = client});
  } catch (const ServiceGone&) {
    if (found.folder.empty()) throw;
    throw over(found.folder);
  }
}

}  // namespace fer_ddp
