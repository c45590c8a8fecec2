// Six steps of gradients summed by the NCCL reducer, on doubles that may be told to fail; an error ends the job as it
// does in fer-ddp. FER_DDP_SCENARIO_ABSENT=RANK: that rank's host stops before its third step, as if it hung.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "comm/mpi_runtime.h"
#include "tests/gpu/device_buffer.h"

namespace {

constexpr std::chrono::seconds kTimeout{2};

void take_steps(fer_ddp::Communicator& world) {
  const char* absent = std::getenv("FER_DDP_SCENARIO_ABSENT");
  const fer_ddp::ComputeStream compute;
  fer_ddp::NcclReducer reducer(world, 0, compute.get(), kTimeout);
  fer_ddp::DeviceBuffer<float> gradients(1000, compute.get());
  for (int step = 1; step <= 6; ++step) {
    if (step == 3 && absent != nullptr && std::atoi(absent) == world.rank()) ::pause();
    reducer.start_sum(gradients.span())->wait();
    reducer.wait_for_compute(fmt::format("step {}", step).c_str());
  }
  reducer.finish();
}

}  // namespace

int main() {
  fer_ddp::World world(kTimeout);
  try {
    take_steps(world.communicator());
    fmt::print(stderr, "rank {}: done\n", world.communicator().rank());
  } catch (const fer_ddp::Error& error) {
    fmt::print(stderr, "{}\n", error.message());
    world.communicator().abort(error.exit_code());
  }
  world.finish();
}
