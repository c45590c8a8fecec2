// The world of MPI_COMM_WORLD, on CPU memory. Every collective is a non-blocking one that is polled under the deadline,
// yielding the core between polls so that oversubscribed ranks do not starve each other.
#pragma once

#include <chrono>
#include <memory>

#include "comm/communicator.h"

namespace fer_ddp {

// Ends the whole job from any one rank within a second, with this exit code, whatever the state of MPI and of mpirun.
[[noreturn]] void end_mpi_job(int exit_code);

// MPI must be initialised, and return its errors (MPI_ERRORS_RETURN). `timeout` is read at the start of each wait.
[[nodiscard]] std::unique_ptr<Communicator> make_mpi_communicator(
    std::shared_ptr<const std::chrono::duration<double>> timeout);

}  // namespace fer_ddp
