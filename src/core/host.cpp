#include "core/host.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include "core/text.h"

namespace fer_ddp {

namespace {

namespace fs = std::filesystem;

// The start of /proc's process `name`, "ended" for a zombie; none: there is no such process to be seen. See proc(5).
std::optional<std::string> process_start(const std::string& name) {
  std::ifstream file("/proc/" + name + "/stat");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  const size_t end_of_name = line.rfind(')');  // which may hold anything
  if (end_of_name == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(end_of_name + 1));
  const std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
  constexpr size_t kState = 0;   // field 3 of the line
  constexpr size_t kStart = 19;  // field 22
  if (words.size() <= kStart) return std::nullopt;
  return words[kState] == "Z" || words[kState] == "X" ? "ended" : words[kStart];
}

// Empty where /proc is missing, or is another namespace's.
std::string own_pid_namespace() {
  std::error_code failure;
  if (fs::read_symlink("/proc/self", failure) != std::to_string(getpid())) return {};
  const std::string name = fs::read_symlink("/proc/self/ns/pid", failure).string();
  return failure ? std::string() : name;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown-host";
  return utf8_text(name.data());
}

std::string machine_identity() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string identity;
  return std::getline(file, identity) ? identity : host_name();
}

ProcessIdentity this_process() {
  return {.boot = machine_identity(),
          .pid_namespace = own_pid_namespace(),
          .pid = getpid(),
          .start = process_start("self").value_or("")};
}

ProcessLife life_of(const ProcessIdentity& process) {
  const ProcessIdentity own = this_process();
  const bool can_be_seen =
      !own.pid_namespace.empty() && own.pid_namespace == process.pid_namespace && own.boot == process.boot;
  if (!can_be_seen) return ProcessLife::kCannotTell;
  if (const auto start = process_start(std::to_string(process.pid)))
    return *start == process.start ? ProcessLife::kLives : ProcessLife::kEnded;
  // Where other users' processes are hidden, they still exist.
  const bool is_gone = ::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH;
  return is_gone ? ProcessLife::kEnded : ProcessLife::kCannotTell;
}

double wall_clock_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace fer_ddp
