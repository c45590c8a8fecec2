#include "launcher/run_client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/host.h"
#include "core/json_reader.h"
#include "core/run_layout.h"
#include "core/run_lease.h"
#include "core/run_result.h"
#include "launcher/run_reader.h"
#include "status/address.h"
#include "status/status_file.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

struct Found {
  std::string address{};
  std::string name{};
  std::string folder{};
  ServiceAccess access{};
};

std::string name_of(const fs::path& folder) {
  try {
    return parse_json(read_file(folder / run_file::kConfig, kMostTextBytes)).at("name").get<std::string>();
  } catch (const std::exception&) {
    return folder.string();
  }
}

// Throws Error where a process holds the folder without answering: one that has not begun to train, or is about to end.
void require_no_silent_holder(const std::string& folder) {
  const LeaseWatch::Seen seen = LeaseWatch().look(folder);
  if (seen.held && seen.holder)
    throw machine_error(fmt::format("{}: process {} on {} uses it, but answers nobody: it still reads its data, or "
                                    "writes its results, or its status_address is null",
                                    folder, seen.holder->process.pid, seen.holder->host),
                        "Ask again in a moment. SIGTERM to that process stops it as `fer-ddp stop` does.");
}

// "run NAME is over: early_stopping after epoch 13; see FOLDER/report.html", from result.json where there is one.
RunNotLive over(const std::string& folder) {
  const std::string name = name_of(folder);
  // A lease is left by a process that was killed, maybe as it went on with a run that had ended once.
  if (!fs::exists(fs::path(folder) / run_file::kResult) || fs::exists(fs::path(folder) / run_file::kLease))
    return {Fault::kMachine,
            fmt::format("run {} is not live, and not finished: --resume={} goes on with it", name, folder)};
  const RunResult result = read_result(folder);
  const std::string epoch = result.final_epoch ? fmt::format("epoch {}", *result.final_epoch + 1) : "no epoch";
  return {Fault::kMachine,
          fmt::format("run {} is over: {} after {}; see {}/report.html", name, result.stop_reason, epoch, folder)};
}

// Throws Error where a process still holds the folder of a run that has ceased to answer. On another host it must be
// seen to renew its lease, which it does every 2 s.
void require_no_mute_holder(const std::string& folder) {
  constexpr int kLooks = 10;
  constexpr std::chrono::milliseconds kBetween{500};
  constexpr std::chrono::seconds kFresh{4};
  LeaseWatch watch;
  LeaseWatch::Seen seen = watch.look(folder);
  for (int i = 0; i < kLooks && seen.held && seen.holder && seen.holder->host != host_name(); ++i) {
    std::this_thread::sleep_for(kBetween);
    seen = watch.look(folder);
  }
  if (!seen.held || !seen.holder || seen.unchanged > kFresh) return;
  throw machine_error(fmt::format("{}: process {} on {} holds it, but does not answer: it is suspended, about to end, "
                                  "or cut off from here",
                                  folder, seen.holder->process.pid, seen.holder->host),
                      "Ask again once it goes on.");
}

HostAndPort address_in(const StatusFile& file, const std::string& folder) {
  return parse_address(folder + "/status.json: address", file.address);
}

bool is_out_of_reach(const StatusFile& file, const HostAndPort& address) {
  return is_loopback(address) && file.host != host_name();
}

// Where the service of a run is reached from here: on its own host by loopback, from elsewhere by the host's name,
// unless it listens on loopback alone.
std::string reachable_address(const StatusFile& file, const std::string& folder) {
  HostAndPort address = address_in(file, folder);
  if (is_out_of_reach(file, address))
    throw user_error(fmt::format("run {} lives on {}, and answers there alone", file.run, file.host),
                     fmt::format("For example: ssh {} fer-ddp status {}", file.host, file.address) +
                         (fs::exists(fs::path(folder) / "result.json") ? ", if it still lives." : "."));
  const bool here = file.host == host_name();
  if (is_wildcard(address)) address.host = !here ? file.host : address.host == "[::]" ? "[::1]" : "127.0.0.1";
  return address_text(address);
}

Found found_in(const std::string& folder, const ServiceOptions& options) {
  const std::optional<StatusFile> file = read_status_file(folder);
  if (!file) require_no_silent_holder(folder);
  if (!fs::exists(fs::path(folder) / "config.json"))
    throw user_error(fmt::format("{}: holds no run (no config.json)", folder), "Give the folder of a run.");
  if (!file) throw over(folder);
  if (file->address.empty())
    throw user_error(fmt::format("run {} lives, but answers nobody: its status_address is null", file->run),
                     fmt::format("Its metrics stand at http://{}/metrics.", file->metrics_address));
  return {.address = reachable_address(*file, folder),
          .name = file->run,
          .folder = folder,
          .access = access_to_run(*file, options)};
}

// Not where another run's answers: one that was killed leaves its file behind, and its port to whoever comes next.
bool is_its_service(const Found& found, StatusClient& client) {
  return LeaseWatch().look(found.folder).held && client.status().snapshot.run == found.name;
}

// Is there a service where status.json says so, and is it that run's? One that would not let us in, or that we cannot
// ask as it wants to be asked, is there.
bool answers(const std::string& folder, const ServiceOptions& options) {
  try {
    const std::optional<StatusFile> file = read_status_file(folder);
    if (!file || file->address.empty() || is_out_of_reach(*file, address_in(*file, folder))) return false;
    const Found found = found_in(folder, options);
    StatusClient client(found.address, found.access);
    return is_its_service(found, client);
  } catch (const Error& problem) {
    return problem.fault() == Fault::kUser;
  }
}

Found only_live_run(const ServiceOptions& options) {
  std::vector<std::string> folders;
  if (fs::is_directory("runs"))
    for (const auto& entry : fs::directory_iterator("runs"))
      if (fs::exists(entry.path() / "status.json")) folders.push_back(entry.path().string());
  if (folders.size() > 1) std::erase_if(folders, [&](const std::string& folder) { return !answers(folder, options); });
  if (folders.size() == 1) return found_in(folders.front(), options);
  throw user_error(
      folders.empty() ? "no live run under ./runs" : fmt::format("several live runs: {}", fmt::join(folders, ", ")),
      "Say which by --run RUN, or give the address of its status service.");
}

Found find(const RunChoice& choice) {
  if (!choice.address.empty())
    return {.address = choice.address, .name = choice.address, .access = access_by_options(choice.service)};
  return choice.run.empty() ? only_live_run(choice.service) : found_in(choice.run, choice.service);
}

}  // namespace

void add_run_choice_options(CLI::App& command, RunChoice& choice) {
  CLI::Option* address = command.add_option("ADDRESS", choice.address, "HOST:PORT of the run's status service");
  command.add_option("--run", choice.run, "The run's folder, or a sweep's")->excludes(address);
  add_service_options(command, choice.service);
}

void ask_run(const RunChoice& choice, const std::function<void(const AskedRun&)>& ask) {
  const Found found = find(choice);
  try {
    StatusClient client(found.address, found.access);
    if (!found.folder.empty() && !is_its_service(found, client)) throw over(found.folder);
    ask({.name = found.name, .client = client});
  } catch (const ServiceGone&) {
    if (found.folder.empty()) throw;
    require_no_mute_holder(found.folder);
    throw over(found.folder);
  }
}

}  // namespace fer_ddp
