// A DeviceRuntime on a GPU: one compute stream, sums over the ranks by NCCL, and repeated work recorded as a CUDA
// graph, collectives included. The stream is the current one of the thread that makes the runtime, for as long as the
// runtime lives: LibTorch's streams know no order between each other, so that a tensor filled on the default one could
// be read here before it is.
#pragma once

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <memory>
#include <string>

#include "cuda/cupti_clock.h"
#include "cuda/graph_recorder.h"
#include "cuda/nccl_reducer.h"
#include "step/device/device_runtime.h"

namespace fer_ddp {

// "NVIDIA H100 80GB HBM3". Throws Error (the machine's fault).
[[nodiscard]] std::string name_of_gpu(int device);

class CudaRuntime final : public DeviceRuntime {
 public:
  // Collective. `host` outlives this. Throws Error (the machine's fault).
  CudaRuntime(Communicator& host, int device, std::chrono::duration<double> timeout, bool capture);

  [[nodiscard]] at::Device device() const override { return {at::kCUDA, static_cast<at::DeviceIndex>(device_)}; }
  [[nodiscard]] Reducer& reducer() override { return reducer_; }
  void use_precision(Precision precision) override;
  void run_repeatedly(int64_t key, const std::function<void()>& work) override;
  [[nodiscard]] std::unique_ptr<DeviceKernels> make_kernels(Precision precision) override;
  [[nodiscard]] std::unique_ptr<PendingValues> start_copy(const at::Tensor& values) override;
  [[nodiscard]] std::string name() const override { return name_of_gpu(device_); }
  [[nodiscard]] double seconds_of(const std::function<void()>& work) override;
  void keep_kernel_times() override { clock_ = std::make_unique<CuptiClock>(device_); }
  [[nodiscard]] KernelClock* kernel_clock() override { return clock_.get(); }
  void close() override { reducer_.close(); }

 private:
  int device_;
  bool capture_;
  c10::cuda::CUDAStream stream_;
  c10::cuda::CUDAStreamGuard current_;
  GraphRecorder recorder_;
  std::unique_ptr<CuptiClock> clock_;
  NcclReducer reducer_;  // asks the recorder for the end of its graphs when it leaves
};

}  // namespace fer_ddp
