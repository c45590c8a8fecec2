// MPI's life in a process: started once by the launcher, finalized once at its end. One main thread calls MPI
// (MPI_THREAD_FUNNELED); the status service's threads never do.
#pragma once

#include <chrono>
#include <memory>

#include "comm/communicator.h"
#include "core/run_log.h"

namespace fer_ddp {

// True when this process was started by mpirun, or by srun with PMIx: only then is MPI initialised, so that a laptop's
// single process pays nothing for it.
[[nodiscard]] bool launched_by_mpi();

// Refuses a world of one inside a Slurm job of several tasks: srun without PMIx starts singletons that would each train
// alone. Throws Error (the user's fault) that says how to launch; `log` falls silent on all tasks but the first, since
// each would say the same.
void refuse_singletons_under_slurm(int world_size, RunLog& log);

// Ends the whole job now, from this rank alone and within a second, whatever the state of MPI and of mpirun, also where
// its World could not be made or finished.
[[noreturn]] void end_job(int exit_code);

// The world: MPI's where launched_by_mpi(), else the identity. `timeout` bounds every wait, also MPI's start and end,
// until the communicator is given another.
class World {
 public:
  explicit World(std::chrono::duration<double> timeout);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  [[nodiscard]] Communicator& communicator() { return *communicator_; }

  // Collective: frees what is shared and finalizes MPI. Not called when the job is aborted.
  void close();

 private:
  std::shared_ptr<std::chrono::duration<double>> timeout_;
  std::unique_ptr<Communicator> communicator_;
};

}  // namespace fer_ddp
