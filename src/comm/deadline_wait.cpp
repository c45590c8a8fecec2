#include "comm/deadline_wait.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "comm/waited_time.h"
#include "core/error.h"
#include "core/host.h"

namespace fer_ddp {

namespace {

// Waits shorter than this are everyday life and do not look for a roll call.
constexpr std::chrono::milliseconds kEveryday{250};
// Longer than that, so that ranks that have only begun to wait still answer; short, because mpirun may need four of the
// five seconds in which a job is to end.
constexpr std::chrono::milliseconds kRollCallTime{750};
// Those who wait for something else than MPI may be busy giving that up.
constexpr std::chrono::seconds kRollCallTimeOfOthers{2};

// Before a call in which MPI hangs is given up: all else has had its time.
constexpr std::chrono::seconds kMargin{1};

constexpr size_t kMostNamed = 8;

constexpr const char* kNetworkAdvice =
    "See the network between the hosts; mpirun --mca btl_base_verbose 30 shows what MPI uses.";

}  // namespace

DeadlineWait::DeadlineWait(MPI_Comm ranks, MPI_Comm job, std::shared_ptr<const Seconds> timeout)
    : timeout_(std::move(timeout)), roll_call_(ranks, job) {
  constexpr size_t kLongestName = 256;
  int size = 1;
  MPI_Comm_size(ranks, &size);
  MPI_Comm_rank(job, &job_rank_);
  std::vector<int> numbers(static_cast<size_t>(size));
  complete("the first exchange between ranks", [&](MPI_Request* request) {
    return MPI_Iallgather(&job_rank_, 1, MPI_INT, numbers.data(), 1, MPI_INT, ranks, request);
  });
  std::string own = host_name();
  own.resize(kLongestName, '\0');
  std::string all(static_cast<size_t>(size) * kLongestName, '\0');
  complete("the first exchange between ranks", [&](MPI_Request* request) {
    return MPI_Iallgather(own.data(), kLongestName, MPI_CHAR, all.data(), kLongestName, MPI_CHAR, ranks, request);
  });
  for (size_t i = 0; i < static_cast<size_t>(size); ++i) hosts_.emplace_back(&all[i * kLongestName]);
  job_ranks_ = std::move(numbers);
}

std::string DeadlineWait::name_of(int rank) const {
  const auto place = static_cast<size_t>(rank);
  return job_ranks_.empty() ? fmt::format("rank {}", rank)
                            : fmt::format("rank {} on {}", job_ranks_[place], hosts_[place]);
}

MPI_Request DeadlineWait::start(const char* operation, const std::function<int(MPI_Request*)>& begin) const {
  const CallWatch::Guard guard(*watch_, {.operation = operation, .limit = *timeout_});
  MPI_Request request = MPI_REQUEST_NULL;
  check(begin(&request), operation);
  return request;
}

void DeadlineWait::wait(MPI_Request& request, const char* operation) const {
  const CallWatch::Guard guard(*watch_, {.operation = operation, .limit = *timeout_ + RollCall::kSilence + kMargin});
  poll_until_done(request, operation);
}

void DeadlineWait::complete(const char* operation, const std::function<int(MPI_Request*)>& begin) const {
  MPI_Request request = start(operation, begin);
  wait(request, operation);
}

void DeadlineWait::block(const char* operation, const std::function<int()>& blocking) const {
  const CallWatch::Guard guard(*watch_, {.operation = operation, .limit = *timeout_});
  check(blocking(), operation);
}

void DeadlineWait::poll_until_done(MPI_Request& request, const char* operation) const {
  constexpr int kPollsBetweenClocks = 64;
  WaitedTime time;
  Seconds silence{};
  int done = 0;
  for (int polls = 1;; ++polls) {
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), operation);
    if (done != 0) return;
    if (polls % kPollsBetweenClocks != 0) continue;
    sched_yield();
    const Seconds waited = time.so_far();
    if (waited > kEveryday && roll_call_.answer()) silence = waited + RollCall::kSilence;
    if (waited > *timeout_ && waited > silence)
      blame(call_the_roll(kRollCallTime), fmt::format("{}{} waited {:.0f} s", self(), operation, timeout_->count()),
            kNetworkAdvice);
  }
}

void DeadlineWait::check(int code, const char* operation) const {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw machine_error(
      fmt::format("{}{} failed: {}", self(), operation, std::string_view(text.data(), static_cast<size_t>(length))));
}

void DeadlineWait::give_up(const std::string& waited, const std::string& advice) const {
  blame(call_the_roll(kRollCallTimeOfOthers), waited, advice);
}

bool DeadlineWait::answer_roll_call() const {
  const CallWatch::Guard guard(*watch_, {.operation = "answering another rank", .limit = *timeout_});
  return roll_call_.answer();
}

void DeadlineWait::dismiss_others() const {
  const CallWatch::Guard guard(*watch_, {.limit = kMargin});
  roll_call_.dismiss();
}

std::vector<int> DeadlineWait::call_the_roll(RollCall::Duration patience) const {
  const CallWatch::Guard guard(*watch_, {.operation = "calling the roll", .limit = RollCall::kSilence + kMargin});
  return roll_call_.absent_ranks(patience);
}

void DeadlineWait::blame(const std::vector<int>& absent, const std::string& waited, const std::string& advice) const {
  if (absent.empty())
    throw machine_error(fmt::format("{}, though every rank waits: the network between them does not deliver", waited),
                        advice);
  const std::string what = fmt::format("{} for {}", waited, describe(absent));
  const std::string hosts = whole_hosts(absent);
  if (!hosts.empty())
    throw machine_error(what,
                        fmt::format("No rank of {} answers: is it down, or its network cut? If mpirun does not end "
                                    "now, see cluster/openmpi-mca-params.conf.",
                                    hosts));
  throw machine_error(
      what, "It hangs, or is very slow; see what runs on its host. collective_timeout_seconds sets this limit.");
}

std::string DeadlineWait::self() const { return fmt::format("rank {} on {}: ", job_rank_, host_name()); }

// "rank 3 on node7, rank 5 on node8".
std::string DeadlineWait::describe(const std::vector<int>& ranks) const {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(ranks.size(), kMostNamed); ++i) names.push_back(name_of(ranks[i]));
  const std::string more = ranks.size() > kMostNamed ? fmt::format(" and {} more", ranks.size() - kMostNamed) : "";
  return fmt::format("{}{}", fmt::join(names, ", "), more);
}

// "node7, node8": the hosts of which no rank is left.
std::string DeadlineWait::whole_hosts(const std::vector<int>& absent) const {
  std::set<std::string> gone;
  for (size_t rank = 0; rank < hosts_.size(); ++rank)
    if (std::binary_search(absent.begin(), absent.end(), static_cast<int>(rank))) gone.insert(hosts_[rank]);
  for (size_t rank = 0; rank < hosts_.size(); ++rank)
    if (!std::binary_search(absent.begin(), absent.end(), static_cast<int>(rank))) gone.erase(hosts_[rank]);
  std::vector<std::string> names(gone.begin(), gone.end());
  if (names.size() > kMostNamed) names.resize(kMostNamed);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace fer_ddp
