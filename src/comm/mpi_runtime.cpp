#include "comm/mpi_runtime.h"

#include <fmt/format.h>
#include <mpi.h>

#include <cstdlib>
#include <string>

#include "comm/identity_communicator.h"
#include "comm/mpi_communicator.h"
#include "core/error.h"

namespace fer_ddp {

bool launched_by_mpi() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(variable) != nullptr) return true;
  return false;
}

void refuse_singletons_under_slurm(int world_size) {
  const char* tasks = std::getenv("SLURM_NTASKS");
  if (world_size > 1 || tasks == nullptr || std::atoi(tasks) <= 1) return;
  throw user_error(
      fmt::format("Slurm gave this job {} tasks, but the MPI world has 1 rank: each task would train alone", tasks),
      "Launch with `srun --mpi=pmix fer-ddp ...` or `mpirun fer-ddp ...` inside the job.");
}

World::World(std::chrono::duration<double> timeout)
    : timeout_(std::make_shared<std::chrono::duration<double>>(timeout)) {
  if (!launched_by_mpi()) {
    communicator_ = make_identity_communicator();
    return;
  }
  int provided = MPI_THREAD_SINGLE;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  if (provided < MPI_THREAD_FUNNELED)
    throw machine_error("this MPI library cannot run beside other threads (MPI_THREAD_FUNNELED)",
                        "Use Open MPI 4 or newer.");
  communicator_ = make_mpi_communicator(timeout_);
}

World::~World() = default;

void World::set_timeout(std::chrono::duration<double> timeout) { *timeout_ = timeout; }

void World::finish() {
  communicator_->finish();
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized != 0) MPI_Finalize();
}

}  // namespace fer_ddp
