// Waiting for the other ranks, but not for ever. MPI alone would wait without end for a rank that hangs. Here every
// wait polls under a deadline; when it passes, the rank calls the roll: ranks that wait too answer, and those that do
// not are named in the error. So one message, of one rank, says whom to look at.
#pragma once

#include <mpi.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace fer_ddp {

class DeadlineWait {
 public:
  using Seconds = std::chrono::duration<double>;

  // Collective (it gathers the hosts' names). `timeout` is shared with whoever may change it later.
  explicit DeadlineWait(std::shared_ptr<const Seconds> timeout);

  // Returns when `request` is done. Throws Error (the machine's fault) that names this rank, its host, `operation` and
  // the ranks that have not come to it, when the timeout passes or MPI reports an error. From MPI's thread only.
  void operator()(MPI_Request& request, const char* operation) const;

  // Throws Error (the machine's fault) naming rank, host and `operation` unless `code` is MPI_SUCCESS.
  void check(int code, const char* operation) const;

  // See Communicator::answer_roll_call and give_up.
  bool answer_calls() const;
  [[noreturn]] void give_up(const std::string& waited, const std::string& advice) const;

 private:
  [[nodiscard]] std::vector<int> absent_ranks() const;
  [[nodiscard]] std::string describe(const std::vector<int>& ranks) const;

  std::shared_ptr<const Seconds> timeout_;
  int rank_ = 0;
  std::vector<std::string> hosts_{};  // of each rank
};

}  // namespace fer_ddp
