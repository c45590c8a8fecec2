#include "comm/deadline_wait.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/host.h"

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;

// Point-to-point messages of the roll call; nothing else in this program sends any.
constexpr int kCallTag = 4801;
constexpr int kAnswerTag = 4802;

// Waits shorter than this are everyday life and do not look for a roll call.
constexpr std::chrono::seconds kPatience{1};
// Long enough for ranks that have only begun to wait, short enough that the job ends within five seconds.
constexpr std::chrono::seconds kRollCallTime{2};

// A rank that leaves the error to a lower one is ended with the job well before this.
constexpr std::chrono::seconds kSilence{10};

constexpr size_t kMostRanksNamed = 8;

void tell(int rank, int tag) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Isend(nullptr, 0, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &request);
  if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
}

// The rank of a message that has arrived, or -1.
int receive(int tag) {
  int arrived = 0;
  MPI_Status status{};
  if (MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &arrived, &status) != MPI_SUCCESS || arrived == 0) return -1;
  MPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return status.MPI_SOURCE;
}

std::vector<std::string> gather_hosts() {
  constexpr size_t kLongestName = 256;
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::string own = host_name();
  own.resize(kLongestName, '\0');
  std::string all(static_cast<size_t>(size) * kLongestName, '\0');
  MPI_Allgather(own.data(), kLongestName, MPI_CHAR, all.data(), kLongestName, MPI_CHAR, MPI_COMM_WORLD);
  std::vector<std::string> hosts;
  for (size_t i = 0; i < static_cast<size_t>(size); ++i) hosts.emplace_back(&all[i * kLongestName]);
  return hosts;
}

}  // namespace

DeadlineWait::DeadlineWait(std::shared_ptr<const Seconds> timeout)
    : timeout_(std::move(timeout)), hosts_(gather_hosts()) {
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
}

void DeadlineWait::operator()(MPI_Request& request, const char* operation) const {
  constexpr int kPollsBetweenClocks = 64;
  const Clock::time_point start = Clock::now();
  Clock::duration silence{};
  int done = 0;
  for (int polls = 1;; ++polls) {
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), operation);
    if (done != 0) return;
    if (polls % kPollsBetweenClocks != 0) continue;
    sched_yield();
    const Clock::duration waited = Clock::now() - start;
    if (waited > kPatience && answer_calls()) silence = waited + kSilence;
    if (waited > *timeout_ && waited > silence)
      give_up(fmt::format("rank {} on {}: {} waited {:.0f} s", rank_, host_name(), operation, timeout_->count()),
              "See the network between the hosts; mpirun --mca btl_base_verbose 30 shows what MPI uses.");
  }
}

void DeadlineWait::check(int code, const char* operation) const {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw machine_error(fmt::format("rank {} on {}: {} failed: {}", rank_, host_name(), operation,
                                  std::string_view(text.data(), static_cast<size_t>(length))));
}

void DeadlineWait::give_up(const std::string& waited, const std::string& advice) const {
  const std::vector<int> absent = absent_ranks();
  if (absent.empty())
    throw machine_error(fmt::format("{}, though every rank waits: the network between them does not deliver", waited),
                        advice);
  throw machine_error(
      fmt::format("{} for {}", waited, describe(absent)),
      "It hangs, or is very slow; see what runs on its host. collective_timeout_seconds sets this limit.");
}

// Those that do not wait anywhere. Where several ranks call the roll at once, the lowest speaks for all: the others
// stay silent until it ends the job, and for no longer than that takes.
std::vector<int> DeadlineWait::absent_ranks() const {
  const auto size = static_cast<int>(hosts_.size());
  std::vector<bool> present(hosts_.size(), false);
  present[static_cast<size_t>(rank_)] = true;
  for (int other = 0; other < size; ++other)
    if (other != rank_) tell(other, kCallTag);
  bool outranked = false;
  const auto all_present = [&] { return std::find(present.begin(), present.end(), false) == present.end(); };
  for (const auto end = Clock::now() + kRollCallTime; Clock::now() < end && (outranked || !all_present());) {
    for (int other = receive(kCallTag); other >= 0; other = receive(kCallTag)) {
      tell(other, kAnswerTag);
      present[static_cast<size_t>(other)] = true;
      outranked = outranked || other < rank_;
    }
    for (int other = receive(kAnswerTag); other >= 0; other = receive(kAnswerTag))
      present[static_cast<size_t>(other)] = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (outranked) std::this_thread::sleep_for(kSilence);
  std::vector<int> absent;
  for (int other = 0; other < size; ++other)
    if (!present[static_cast<size_t>(other)]) absent.push_back(other);
  return absent;
}

// True where a lower rank called: that one speaks.
bool DeadlineWait::answer_calls() const {
  bool outranked = false;
  for (int other = receive(kCallTag); other >= 0; other = receive(kCallTag)) {
    tell(other, kAnswerTag);
    outranked = outranked || other < rank_;
  }
  return outranked;
}

// "rank 3 on node7, rank 5 on node8".
std::string DeadlineWait::describe(const std::vector<int>& ranks) const {
  std::string text;
  for (size_t i = 0; i < std::min(ranks.size(), kMostRanksNamed); ++i)
    text += fmt::format("{}rank {} on {}", i == 0 ? "" : ", ", ranks[i], hosts_[static_cast<size_t>(ranks[i])]);
  if (ranks.size() > kMostRanksNamed) text += fmt::format(" and {} more", ranks.size() - kMostRanksNamed);
  return text;
}

}  // namespace fer_ddp
