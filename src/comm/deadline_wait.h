// Waiting for the other ranks, but not for ever. MPI alone would wait without end for a rank that hangs. Here every
// wait polls under a deadline; when it passes, the rank calls the roll: ranks that wait too answer, and those that do
// not are named in the error. So one message, of one rank, says whom to look at. Time in which this process itself was
// stopped or not given a core does not count.
#pragma once

#include <mpi.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/call_watch.h"
#include "comm/roll_call.h"

namespace fer_ddp {

class DeadlineWait {
 public:
  using Seconds = std::chrono::duration<double>;

  // Collective over `ranks`, those of the whole `job` or a group of them: gathers the hosts' names, already under the
  // deadline. `timeout` is shared with whoever may change it.
  DeadlineWait(MPI_Comm ranks, MPI_Comm job, std::shared_ptr<const Seconds> timeout);

  // Calls `begin`, which starts a non-blocking operation, and returns its request.
  [[nodiscard]] MPI_Request start(const char* operation, const std::function<int(MPI_Request*)>& begin) const;

  // Returns when `request` is done. Throws Error (the machine's fault) that names this rank, its host, `operation` and
  // the ranks that have not come to it, when the timeout passes or MPI reports an error; the only call of MPI after
  // that is to be abort(), because the request's buffers may be gone. From MPI's thread only.
  void wait(MPI_Request& request, const char* operation) const;

  // Both in one.
  void complete(const char* operation, const std::function<int(MPI_Request*)>& begin) const;

  // Calls `blocking`, in which MPI itself waits for other ranks that all begin it together; ends the process when that
  // takes longer than the timeout.
  void block(const char* operation, const std::function<int()>& blocking) const;

  // Asks and tells the other ranks, as Communicator::answer_roll_call and abort do.
  [[nodiscard]] bool answer_roll_call() const;
  void dismiss_others() const;

  // See Communicator::give_up.
  [[noreturn]] void give_up(const std::string& waited, const std::string& advice) const;

  // See Communicator::name_of.
  [[nodiscard]] std::string name_of(int rank) const;

 private:
  void check(int code, const char* operation) const;
  void poll_until_done(MPI_Request& request, const char* operation) const;
  [[nodiscard]] std::vector<int> call_the_roll(RollCall::Duration patience) const;
  [[noreturn]] void blame(const std::vector<int>& absent, const std::string& waited, const std::string& advice) const;
  [[nodiscard]] std::string self() const;
  [[nodiscard]] std::string describe(const std::vector<int>& ranks) const;
  [[nodiscard]] std::string whole_hosts(const std::vector<int>& absent) const;

  std::shared_ptr<const Seconds> timeout_;
  std::unique_ptr<CallWatch> watch_ = std::make_unique<CallWatch>();
  RollCall roll_call_;
  int job_rank_ = 0;                  // this rank's number in the job
  std::vector<int> job_ranks_{};      // of each rank; empty until they are known
  std::vector<std::string> hosts_{};  // the same
};

}  // namespace fer_ddp
