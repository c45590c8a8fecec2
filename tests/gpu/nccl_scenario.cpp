// Six steps of gradients summed by the NCCL reducer, on doubles that may be told to fail; an error ends the job as it
// does in fer-ddp. Rank 0 says by the monotonic clock when all ranks are there: until then MPI has time enough.
// FER_DDP_SCENARIO_ABSENT=RANK: that rank's host stops before its third step, as if it hung. FER_DDP_SCENARIO_GRAPH:
// the steps are recorded as a graph, which is replayed from the fourth on; "released": it is destroyed when NCCL is to
// be left, as it must be; "kept": it is not.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string_view>

#include "comm/mpi_runtime.h"
#include "cuda/graph_recorder.h"
#include "tests/gpu/device_buffer.h"

namespace {

constexpr std::chrono::seconds kTimeout{2};
constexpr std::chrono::seconds kTimeToStart{30};

std::string_view setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class StepGraph final : public fer_ddp::WorkGraph {
 public:
  explicit StepGraph(cudaStream_t stream) : stream_(stream) {}
  ~StepGraph() override {
    if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
  }
  void begin() override {
    fer_ddp::check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  }
  void end() override {
    cudaGraph_t recorded = nullptr;
    fer_ddp::check_cuda(cudaStreamEndCapture(stream_, &recorded), "cudaStreamEndCapture");
    fer_ddp::check_cuda(cudaGraphInstantiate(&graph_, recorded, 0), "cudaGraphInstantiate");
    cudaGraphDestroy(recorded);
  }
  void replay() override { fer_ddp::check_cuda(cudaGraphLaunch(graph_, stream_), "cudaGraphLaunch"); }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t graph_ = nullptr;
};

void take_steps(fer_ddp::Communicator& world) {
  const std::string_view graph = setting("FER_DDP_SCENARIO_GRAPH");
  const fer_ddp::ComputeStream compute;
  fer_ddp::GraphRecorder recorder([&compute] { return std::make_unique<StepGraph>(compute.get()); });
  fer_ddp::NcclReducer reducer(world, 0, compute.get(), kTimeout);
  if (graph == "released") reducer.before_leaving([&recorder] { return recorder.take(); });
  fer_ddp::DeviceBuffer<float> gradients(1000, compute.get());
  const auto sum = [&] { reducer.start_sum(gradients.span())->wait(); };
  for (int step = 1; step <= 6; ++step) {
    if (step == 3 && setting("FER_DDP_SCENARIO_ABSENT") == std::to_string(world.rank())) ::pause();
    if (graph.empty()) {
      sum();
    } else {
      recorder.run(0, sum);
    }
    reducer.wait_for_compute(fmt::format("step {}", step).c_str());
  }
  reducer.close();
}

}  // namespace

int main() {
  fer_ddp::World world(kTimeToStart);
  try {
    world.communicator().barrier();
    world.communicator().set_timeout(kTimeout);
    const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
    if (world.communicator().rank() == 0) fmt::print(stderr, "started at {:.3f}\n", now.count());
    take_steps(world.communicator());
    fmt::print(stderr, "rank {}: done\n", world.communicator().rank());
  } catch (const fer_ddp::Error& error) {
    fmt::print(stderr, "{}\n", error.message());
    world.communicator().abort(error.exit_code());
  }
  world.communicator().set_timeout(kTimeToStart);
  world.close();
}
