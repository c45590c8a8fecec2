// A DeviceRuntime on a GPU: one compute stream, sums over the ranks by NCCL, and repeated work recorded as a CUDA
// graph, collectives included, once it has run a few times (NCCL and cuDNN set themselves up in those).
#pragma once

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <memory>

#include "cuda/nccl_reducer.h"
#include "train/device_runtime.h"

namespace fer_ddp {

class CudaRuntime final : public DeviceRuntime {
 public:
  // Collective. `host` outlives this. Throws Error (the machine's fault).
  CudaRuntime(Communicator& host, int device, std::chrono::duration<double> timeout, bool capture);

  [[nodiscard]] at::Device device() const override { return {at::kCUDA, static_cast<at::DeviceIndex>(device_)}; }
  [[nodiscard]] Reducer& reducer() override { return reducer_; }
  void run(const std::function<void()>& work) override;
  void run_repeatedly(int64_t key, const std::function<void()>& work) override;
  [[nodiscard]] std::unique_ptr<PendingValues> start_copy(const at::Tensor& values) override;
  void finish() override { reducer_.finish(); }

 private:
  struct Recording {
    int runs = 0;
    std::unique_ptr<at::cuda::CUDAGraph> graph;
  };

  void record(Recording& recording, const std::function<void()>& work);

  int device_;
  bool capture_;
  c10::cuda::CUDAStream stream_;
  NcclReducer reducer_;
  std::map<int64_t, Recording> recordings_;
};

}  // namespace fer_ddp
