#include "comm/roll_call.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace fer_ddp {

namespace {

using Clock = std::chrono::steady_clock;

// Point-to-point messages; nothing else in this program sends any.
constexpr int kCallTag = 4801;
constexpr int kAnswerTag = 4802;
constexpr int kDismissTag = 4803;

// How much later than this rank's own the deadline of a lower one may pass for that one to speak.
constexpr std::chrono::milliseconds kLowerRanksTime{300};

// Lets the speaker's own end reach mpirun first, so that its exit code is the job's.
constexpr std::chrono::milliseconds kPoliteness{200};

// Sends without waiting, and without letting MPI work on what else is under way: its buffers may be gone by now.
void tell(int rank, int tag, MPI_Comm ranks) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Isend(nullptr, 0, MPI_BYTE, rank, tag, ranks, &request);
  if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
}

// The rank of a message that has arrived, or -1.
int receive(int tag, MPI_Comm ranks) {
  int arrived = 0;
  MPI_Status status{};
  if (MPI_Iprobe(MPI_ANY_SOURCE, tag, ranks, &arrived, &status) != MPI_SUCCESS || arrived == 0) return -1;
  MPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, tag, ranks, MPI_STATUS_IGNORE);
  return status.MPI_SOURCE;
}

void leave_if_dismissed(MPI_Comm job) {
  if (receive(kDismissTag, job) < 0) return;
  std::this_thread::sleep_for(kPoliteness);
  std::fflush(nullptr);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

RollCall::RollCall(MPI_Comm ranks, MPI_Comm job) : ranks_(ranks), job_(job) {
  MPI_Comm_rank(ranks_, &rank_);
  MPI_Comm_size(ranks_, &size_);
}

bool RollCall::answer() const {
  leave_if_dismissed(job_);
  bool outranked = false;
  for (int other = receive(kCallTag, ranks_); other >= 0; other = receive(kCallTag, ranks_)) {
    tell(other, kAnswerTag, ranks_);
    outranked = outranked || other < rank_;
  }
  return outranked;
}

std::vector<int> RollCall::absent_ranks(Duration patience) const {
  std::vector<bool> present(static_cast<size_t>(size_), false);
  present[static_cast<size_t>(rank_)] = true;
  for (int other = 0; other < size_; ++other)
    if (other != rank_) tell(other, kCallTag, ranks_);
  const auto all_present = [&] { return std::find(present.begin(), present.end(), false) == present.end(); };
  bool outranked = false;
  const Clock::time_point start = Clock::now();
  auto end = start + std::chrono::duration_cast<Clock::duration>(patience);
  const auto lower_may_call = [&] { return rank_ > 0 && Clock::now() < start + kLowerRanksTime; };
  while (Clock::now() < end && (outranked || lower_may_call() || !all_present())) {
    leave_if_dismissed(job_);
    for (int other = receive(kCallTag, ranks_); other >= 0; other = receive(kCallTag, ranks_)) {
      tell(other, kAnswerTag, ranks_);
      present[static_cast<size_t>(other)] = true;
      if (other < rank_ && !outranked) end = Clock::now() + kSilence;
      outranked = outranked || other < rank_;
    }
    for (int other = receive(kAnswerTag, ranks_); other >= 0; other = receive(kAnswerTag, ranks_))
      present[static_cast<size_t>(other)] = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::vector<int> absent;
  for (int other = 0; other < size_; ++other)
    if (!present[static_cast<size_t>(other)]) absent.push_back(other);
  return absent;
}

void RollCall::dismiss() const {
  int own = 0;
  int all = 1;
  MPI_Comm_rank(job_, &own);
  MPI_Comm_size(job_, &all);
  for (int other = 0; other < all; ++other)
    if (other != own) tell(other, kDismissTag, job_);
}

}  // namespace fer_ddp
