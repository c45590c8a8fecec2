#include "core/run_lease.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json_reader.h"
#include "core/run_layout.h"

namespace fer_ddp {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

// The files beside lease.json: ".lease.TOKEN.replaces" is held by the one process that may replace or remove the lease
// of that token; ".lease.TOKEN.next" is what the process of that token is about to put in the lease's place.
constexpr std::string_view kPrefix = ".lease.";
constexpr std::string_view kReplaces = ".replaces";
constexpr std::string_view kNext = ".next";

fs::path beside(const fs::path& path, const std::string& token, std::string_view ending) {
  return path.parent_path() / fmt::format("{}{}{}", kPrefix, token, ending);
}

constexpr int kBeatDigits = 20;
constexpr std::string_view kEnd = "\"\n}\n";

std::string beat_text(uint64_t beat) { return fmt::format("{:0{}}", beat, kBeatDigits); }

// The beat stands at the end, always as wide: renewing writes over it alone.
std::string lease_text(const LeaseHolder& holder) {
  const nlohmann::ordered_json lease = {{"host", holder.host},
                                        {"pid", holder.process.pid},
                                        {"pid_namespace", holder.process.pid_namespace},
                                        {"process_start", holder.process.start},
                                        {"boot", holder.process.boot},
                                        {"slurm_job", holder.slurm_job},
                                        {"slurm_restarts", holder.slurm_restarts},
                                        {"token", holder.token},
                                        {"renewed", beat_text(0)}};
  return lease.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// None where the text is not whole (yet).
std::optional<LeaseHolder> parse_lease(const std::string& text) {
  try {
    const auto lease = parse_json(text);
    return LeaseHolder{.host = lease.at("host").get<std::string>(),
                       .process = {.boot = lease.at("boot").get<std::string>(),
                                   .pid_namespace = lease.at("pid_namespace").get<std::string>(),
                                   .pid = whole_number<int64_t>(lease.at("pid")),
                                   .start = lease.at("process_start").get<std::string>()},
                       .slurm_job = lease.at("slurm_job").get<std::string>(),
                       .slurm_restarts = whole_number<int>(lease.at("slurm_restarts")),
                       .token = lease.at("token").get<std::string>()};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

// A text that is no lease was left by a process that was killed as it wrote: any that finds it may replace it.
std::string token_of(const std::string& text) {
  const std::optional<LeaseHolder> holder = parse_lease(text);
  return holder ? holder->token : "unfinished";
}

std::string name_of(const std::optional<LeaseHolder>& holder) {
  return holder ? fmt::format("process {} on {}", holder->process.pid, holder->host) : "an unknown process";
}

// As far as `self` can tell; an earlier start of its own Slurm job has ended.
ProcessLife life_of(const LeaseHolder& holder, const LeaseHolder& self) {
  const bool earlier_start =
      !self.slurm_job.empty() && holder.slurm_job == self.slurm_job && holder.slurm_restarts < self.slurm_restarts;
  return earlier_start ? ProcessLife::kEnded : fer_ddp::life_of(holder.process);
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : number_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }

  // None if it fails.
  [[nodiscard]] std::optional<std::string> read() const {
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
      const ssize_t bytes = ::pread(number_, part.data(), part.size(), static_cast<off_t>(text.size()));
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0) return std::nullopt;
      if (bytes == 0) return text;
      text.append(part.data(), static_cast<size_t>(bytes));
    }
  }

  // Through to the server, where the file system has one.
  [[nodiscard]] bool write(std::string_view text, off_t at) const {
    while (!text.empty()) {
      const ssize_t bytes = ::pwrite(number_, text.data(), text.size(), at);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0) return false;
      text.remove_prefix(static_cast<size_t>(bytes));
      at += bytes;
    }
    return ::fsync(number_) == 0;
  }

 private:
  int number_;
};

// Opened anew each time, which is when NFS asks the server. None: there is no such file.
std::optional<std::string> read_text(const fs::path& path) {
  const Descriptor file(path, O_RDONLY);
  if (!file.is_open() && errno == ENOENT) return std::nullopt;
  std::optional<std::string> text = file.is_open() ? file.read() : std::nullopt;
  if (!text && errno == ESTALE) return std::nullopt;  // it was replaced as we looked
  if (!text) throw machine_error(fmt::format("{}: cannot be read: {}", path.string(), errno_text(errno)));
  return text;
}

[[noreturn]] void fail_to_write(const fs::path& path, int reason) {
  throw user_error(fmt::format("{}: cannot be written: {}", path.string(), errno_text(reason)),
                   "A run must be able to write into its folder.");
}

bool create(const fs::path& path, const std::string& text) {
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    const Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (file.is_open()) {
      if (!file.write(text, 0)) fail_to_write(path, errno);
      return true;
    }
    if (errno == EEXIST) return false;
    // A start that fails removes the folder that it made, maybe just now.
    if (errno != ENOENT || attempt == kAttempts) fail_to_write(path, errno);
    make_folder(path.parent_path());
  }
}

void remove_file(const fs::path& path) { static_cast<void>(::unlink(path.c_str())); }

// Puts a lease where none is, or in the place of one whose holder has died.
class Taking {
 public:
  Taking(const LeaseHolder& self, const RunLease::OnWatch& on_watch, const LeaseTiming& timing)
      : self_(self), text_(lease_text(self)), on_watch_(on_watch), timing_(timing) {}

  // Throws Error (the user's fault) where a live process is in the way.
  void take(const fs::path& path) const {
    while (!create(path, text_)) {
      const std::optional<std::string> found = read_text(path);
      if (found && has_died(path, *found) && replace(path, *found)) return;
    }
  }

 private:
  [[nodiscard]] LeaseHeld held(const fs::path& path, const std::optional<LeaseHolder>& holder) const {
    const std::string folder = path.parent_path().string();
    return LeaseHeld(
        Fault::kUser, fmt::format("{}: a live run uses this folder, {}", folder, name_of(holder)),
        fmt::format("`fer-ddp stop --run {}` ends it after a checkpoint; or choose another output.", folder));
  }

  // False: another lease is there now, or none.
  [[nodiscard]] bool has_died(const fs::path& path, const std::string& found) const {
    const std::optional<LeaseHolder> holder = parse_lease(found);
    if (holder) {
      const ProcessLife life = life_of(*holder, self_);
      if (life == ProcessLife::kLives) throw held(path, holder);
      if (life == ProcessLife::kEnded) return true;
    }
    if (!holder) {  // most likely it is just being written
      std::this_thread::sleep_for(timing_.poll);
      if (read_text(path) != found) return false;
    }
    if (on_watch_) on_watch_(name_of(holder));
    const Clock::time_point end = Clock::now() + timing_.watch;
    for (;;) {
      const bool is_last = Clock::now() >= end;
      const std::optional<std::string> now = read_text(path);
      if (!now) return false;
      if (*now != found) {
        if (holder && token_of(*now) == holder->token) throw held(path, holder);
        return false;
      }
      if (is_last) return true;
      std::this_thread::sleep_for(timing_.poll);
    }
  }

  // False: it was not `found` any more.
  [[nodiscard]] bool replace(const fs::path& path, const std::string& found) const {
    const std::string token = token_of(found);
    const fs::path right = beside(path, token, kReplaces);
    take(right);
    // Had that one been about to replace something itself: now it cannot any more.
    remove_file(beside(path, token, kNext));
    bool done = false;
    if (read_text(path) == found) {
      const fs::path next = beside(path, self_.token, kNext);
      if (!create(next, text_)) fail_to_write(next, EEXIST);
      done = ::rename(next.c_str(), path.c_str()) == 0;
      if (!done && errno != ENOENT) fail_to_write(path, errno);
    }
    if (read_text(right) == text_) remove_file(right);
    return done;
  }

  const LeaseHolder& self_;
  std::string text_;
  const RunLease::OnWatch& on_watch_;
  const LeaseTiming& timing_;
};

std::string random_token() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i) token += fmt::format("{:08x}", device());
  return token;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// What starts that were killed while they took a lease have left. Another's that is at it just now begins anew.
void remove_strays(const fs::path& folder, const std::string& token) {
  std::error_code ignored;
  std::vector<fs::path> strays;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name != run_file::kLease && RunLease::is_part(name) && name.find(token) == std::string::npos)
      strays.push_back(entry.path());
  }
  for (const fs::path& stray : strays) remove_file(stray);
}

}  // namespace

LeaseHolder new_holder() {
  LeaseHolder holder{.host = host_name(), .process = this_process(), .token = random_token()};
  const std::string job = environment("SLURM_JOB_ID");
  if (job.empty()) return holder;
  holder.slurm_job = fmt::format("{} of {}", job, environment("SLURM_CLUSTER_NAME"));
  holder.slurm_restarts = std::atoi(environment("SLURM_RESTART_COUNT").c_str());
  return holder;
}

RunLease::RunLease(const fs::path& folder, const OnWatch& on_watch, const LeaseHolder& self, LeaseTiming timing)
    : path_(folder / run_file::kLease), token_(self.token), text_(lease_text(self)), timing_(timing) {
  Taking(self, on_watch, timing_).take(path_);
  try {
    remove_strays(folder, token_);
    renewing_ = std::jthread([this](const std::stop_token& stop) { renew(stop); });
  } catch (...) {
    release();
    throw;
  }
}

RunLease::~RunLease() {
  if (renewing_.joinable()) {
    renewing_.request_stop();
    renewing_.join();
  }
  release();
}

// With a beat, writes it where the lease is found to be held: through the very descriptor that was read, so that it
// never reaches another's lease.
RunLease::Look RunLease::look(std::optional<uint64_t> beat) const {
  const Descriptor file(path_, beat ? O_RDWR : O_RDONLY);
  if (!file.is_open()) return errno == ENOENT ? Look::kLost : Look::kUnclear;
  const std::optional<std::string> text = file.read();
  if (!text) return Look::kUnclear;
  if (token_of(*text) != token_) return Look::kLost;
  if (!beat) return Look::kHeld;
  const size_t at = text->size() - kEnd.size() - kBeatDigits;
  return file.write(beat_text(*beat), static_cast<off_t>(at)) ? Look::kHeld : Look::kUnclear;
}

// What fails here for a while is tried again; whether the lease is still held is seen then.
void RunLease::renew(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (uint64_t beat = 1;; ++beat) {
    wake_.wait_for(lock, stop, timing_.renewal, [] { return false; });
    if (stop.stop_requested()) return;
    if (look(beat) != Look::kLost) continue;
    lost_.store(true);
    return;
  }
}

void RunLease::require() const {
  constexpr std::chrono::milliseconds kPause{200};
  const Clock::time_point end = Clock::now() + std::chrono::seconds(5);
  for (;;) {
    const Look found = lost() ? Look::kLost : look(std::nullopt);
    if (found == Look::kHeld) return;
    if (found == Look::kLost) fail_lost();
    if (Clock::now() >= end)
      throw machine_error(fmt::format("{}: cannot be read any more", path_.string()),
                          "Is the file system still there? --resume goes on from the last checkpoint.");
    std::this_thread::sleep_for(kPause);
  }
}

void RunLease::fail_lost() const {
  std::optional<std::string> text;
  try {
    text = read_text(path_);
  } catch (const Error&) {  // then nobody is named
  }
  const std::string by = text ? fmt::format("was taken over by {}", name_of(parse_lease(*text)))
                              : "is not this run's any more (lease.json is gone)";
  throw machine_error(fmt::format("{}: the folder {}", path_.parent_path().string(), by),
                      "This run had not renewed its lease for 15 s: was it halted, or the file system out of reach?");
}

LeaseWatch::LeaseWatch(LeaseHolder self, LeaseTiming timing) : self_(std::move(self)), timing_(timing) {}

LeaseWatch::Seen LeaseWatch::look(const fs::path& folder) {
  const std::optional<std::string> text = read_text(folder / run_file::kLease);
  if (!text) {
    known_.erase(folder);
    return {};
  }
  const Clock::time_point now = Clock::now();
  Known& known = known_.try_emplace(folder, Known{*text, now}).first->second;
  if (known.text != *text) known = {*text, now};
  // Both sides may have been stopped since the last look.
  constexpr std::chrono::seconds kMostBetweenLooks{1};
  known.unchanged += std::min<Clock::duration>(now - std::exchange(known.seen, now), kMostBetweenLooks);
  const std::optional<LeaseHolder> holder = parse_lease(*text);
  const ProcessLife life = holder ? life_of(*holder, self_) : ProcessLife::kCannotTell;
  const bool died =
      life == ProcessLife::kEnded || (life == ProcessLife::kCannotTell && known.unchanged >= timing_.watch);
  return {.held = !died, .holder = holder, .unchanged = known.unchanged};
}

bool RunLease::is_part(std::string_view file_name) {
  return file_name == run_file::kLease ||
         (file_name.starts_with(kPrefix) && (file_name.ends_with(kReplaces) || file_name.ends_with(kNext)));
}

void RunLease::release() noexcept {
  try {
    if (look(std::nullopt) != Look::kHeld) return;
    const fs::path right = beside(path_, token_, kReplaces);
    if (!create(right, text_)) return;  // it is being taken over
    const std::optional<std::string> text = read_text(path_);
    if (text && token_of(*text) == token_) remove_file(path_);
    remove_file(right);
  } catch (const std::exception&) {  // then it is left to be taken over
  }
}

}  // namespace fer_ddp
