// Sums over the ranks' GPUs by NCCL. Collectives run on a stream of their own, ordered by events after what the compute
// stream has begun and before what it begins once wait() was called; the host never waits for them in a step. NCCL's
// communicator is non-blocking: each call, and each wait of the host, polls for NCCL's asynchronous errors under a
// deadline, and what fails aborts NCCL and names rank, host and operation. NCCL itself never says which rank is stuck:
// the roll call of the host's communicator does. To be used from that communicator's thread alone.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "cuda/graph_recorder.h"

namespace fer_ddp {

class NcclReducer final : public Reducer {
 public:
  using Seconds = std::chrono::duration<double>;

  // Collective. `device` is this rank's GPU; sums take their place in the order of `compute`, a stream of that GPU.
  // Throws Error (the machine's fault). `host` and `compute` outlive this.
  NcclReducer(Communicator& host, int device, cudaStream_t compute, Seconds timeout);
  ~NcclReducer() override;  // aborts what close() has not ended; not collective

  using Graphs = std::vector<std::unique_ptr<WorkGraph>>;

  // `take` hands over all CUDA graphs that hold collectives of this: NCCL neither ends nor aborts before they are
  // destroyed.
  void before_leaving(std::function<Graphs()> take) { take_graphs_ = std::move(take); }

  // Values in the GPU's memory.
  void all_reduce(std::span<double> values, ReduceOperation operation) override;
  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override;
  [[nodiscard]] std::unique_ptr<PendingReduction> start_bfloat16_sum(std::span<uint16_t> values) override;

  // The host waits until all that the compute stream has begun is done. Throws Error (the machine's fault) naming
  // `operation` when the deadline passes, or NCCL or the GPU fails meanwhile.
  void wait_for_compute(const char* operation);

  // The same for all that had been begun when `event` was recorded.
  void wait_for(cudaEvent_t event, const char* operation);

  // Collective; the last call.
  void close();

 private:
  friend class PendingNcclReduction;

  void connect();
  void start(const void* values, size_t count, ncclDataType_t type, ncclRedOp_t operation, const char* name);
  void check(ncclResult_t result, const char* call, const char* operation);
  void check_runtime(cudaError_t code, const char* call);
  void poll_until(const std::function<bool()>& done, const char* operation);
  void give_up(const char* operation, Seconds waited);
  [[nodiscard]] ncclResult_t state() const;
  void abort_nccl();
  [[noreturn]] void fail(ncclResult_t result, const char* call, const char* operation);
  [[nodiscard]] std::string self() const;

  Communicator& host_;
  int device_;
  cudaStream_t compute_;
  Seconds timeout_;
  std::function<Graphs()> take_graphs_ = [] { return Graphs(); };
  ncclComm_t communicator_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t before_ = nullptr;  // on the compute stream: what a collective must follow
  cudaEvent_t after_ = nullptr;   // on the collectives' stream: the newest collective is done
};

}  // namespace fer_ddp
