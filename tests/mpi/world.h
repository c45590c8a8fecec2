// The communicator of a multi-rank test. A test that fails on one rank alone must still take part in every collective:
// use EXPECT, not ASSERT, between collectives.
#pragma once

#include "comm/mpi_runtime.h"

[[nodiscard]] fer_ddp::Communicator& world_communicator();
