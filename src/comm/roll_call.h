// Who of the ranks is still there? Small messages beside MPI's collectives: a rank whose wait has become too long calls
// the roll, ranks that wait too answer, and those that do not are the ones to blame. Where several call at once, the
// lowest speaks for all. The one that has spoken dismisses all others of the job, who then end by themselves: no
// launcher has to reach them. From MPI's thread only.
#pragma once

#include <mpi.h>

#include <chrono>
#include <vector>

namespace fer_ddp {

class RollCall {
 public:
  using Duration = std::chrono::duration<double>;

  // Of `ranks`, which are those of the whole job or a group of them.
  RollCall(MPI_Comm ranks, MPI_Comm job);

  // Answers those who have called. True where a lower rank has: that one will speak. Where a rank has dismissed the
  // others, ends this process.
  [[nodiscard]] bool answer() const;

  // Calls the roll and returns the ranks that have not answered within `patience`. Returns late where a lower rank
  // calls too: only if that one has not ended the job meanwhile.
  [[nodiscard]] std::vector<int> absent_ranks(Duration patience) const;

  // Tells the others of the job that this rank has said why the job ends.
  void dismiss() const;

  // Longer than it takes any rank to call the roll and speak.
  static constexpr std::chrono::seconds kSilence{3};

 private:
  MPI_Comm ranks_;
  MPI_Comm job_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace fer_ddp
