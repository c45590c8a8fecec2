// Six steps of gradients summed by the NCCL reducer, on doubles that may be told to fail; an error ends the job as it
// does in fer-ddp. FER_DDP_SCENARIO_ABSENT=RANK: that rank's host stops before its third step, as if it hung.
// FER_DDP_SCENARIO_GRAPH: from the third step on a CUDA graph holds collectives; "released": it is destroyed when NCCL
// is to be left, as it must be; "kept": it is not.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "comm/mpi_runtime.h"
#include "tests/gpu/device_buffer.h"
#include "tests/gpu/doubles/doubles.h"

namespace {

constexpr std::chrono::seconds kTimeout{1};

std::string_view setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void take_steps(fer_ddp::Communicator& world) {
  const std::string_view graph = setting("FER_DDP_SCENARIO_GRAPH");
  const fer_ddp::ComputeStream compute;
  fer_ddp::NcclReducer reducer(world, 0, compute.get(), kTimeout);
  if (graph == "released") reducer.before_leaving([] { live_graphs = 0; });
  fer_ddp::DeviceBuffer<float> gradients(1000, compute.get());
  for (int step = 1; step <= 6; ++step) {
    if (step == 3 && setting("FER_DDP_SCENARIO_ABSENT") == std::to_string(world.rank())) ::pause();
    if (step == 3 && !graph.empty()) live_graphs = 1;
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
