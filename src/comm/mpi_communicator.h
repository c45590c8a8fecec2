// Ranks that talk by MPI, on CPU memory: those of the whole job, or a group of them. Every collective is a non-blocking
// one that is polled under the deadline, yielding the core between polls so that oversubscribed ranks do not starve
// each other.
#pragma once

#include <mpi.h>

#include <chrono>
#include <memory>

#include "comm/communicator.h"

namespace fer_ddp {

// Collective. `job` is MPI's communicator of all ranks, which lives longer than what is made here, and returns its
// errors (MPI_ERRORS_RETURN). `timeout` is read at the start of each wait, and written by set_timeout().
[[nodiscard]] std::unique_ptr<Communicator> make_mpi_communicator(
    MPI_Comm job, std::shared_ptr<std::chrono::duration<double>> timeout);

}  // namespace fer_ddp
