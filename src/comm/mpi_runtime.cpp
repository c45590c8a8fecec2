#include "comm/mpi_runtime.h"

#include <fmt/format.h>
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "comm/call_watch.h"
#include "comm/identity_communicator.h"
#include "comm/mpi_communicator.h"
#include "core/error.h"

namespace fer_ddp {

namespace {

bool mpi_runs() {
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  return initialized != 0 && finalized == 0;
}

}  // namespace

bool launched_by_mpi() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(variable) != nullptr) return true;
  return false;
}

void refuse_singletons_under_slurm(int world_size, RunLog& log) {
  const char* tasks = std::getenv("SLURM_NTASKS");
  if (world_size > 1 || tasks == nullptr || std::atoi(tasks) <= 1) return;
  const char* task = std::getenv("SLURM_PROCID");
  if (task != nullptr && std::atoi(task) > 0) log.fall_silent();
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
  {
    CallWatch watch;
    const CallWatch::Guard guard(watch, {.operation = "starting MPI", .limit = timeout});
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  }
  if (provided < MPI_THREAD_FUNNELED)
    throw machine_error("this MPI library cannot run beside other threads (MPI_THREAD_FUNNELED)",
                        "Use Open MPI 4 or newer.");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  communicator_ = make_mpi_communicator(MPI_COMM_WORLD, timeout_);
}

World::~World() = default;

void World::close() {
  communicator_->close();
  if (!mpi_runs()) return;
  CallWatch watch;
  const CallWatch::Guard guard(watch, {.operation = "ending MPI", .limit = *timeout_});
  MPI_Finalize();
}

void end_job(int exit_code) {
  // mpirun may hang, or a full pipe block what is flushed.
  constexpr std::chrono::seconds kTimeToEnd{1};
  CallWatch watch;
  const CallWatch::Guard guard(watch, {.limit = kTimeToEnd, .exit_code = exit_code});
  std::fflush(nullptr);
  if (mpi_runs()) MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace fer_ddp
