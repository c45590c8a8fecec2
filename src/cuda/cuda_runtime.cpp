#include "cuda/cuda_runtime.h"

#include <c10/cuda/CUDAGuard.h>

#include <utility>

#include "cuda/cuda_error.h"

namespace fer_ddp {

namespace {

// Runs before the work is recorded.
constexpr int kWarmUpRuns = 3;

c10::cuda::CUDAStream compute_stream(int device) {
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  return c10::cuda::getStreamFromPool(true, static_cast<c10::DeviceIndex>(device));
}

// Page-locked memory on the host, and an event behind the copy.
class PendingCopy final : public PendingValues {
 public:
  PendingCopy(const at::Tensor& values, cudaStream_t stream, NcclReducer& reducer) : reducer_(reducer) {
    copy_ = at::empty(values.sizes(), values.options().device(at::kCPU).pinned_memory(true));
    copy_.copy_(values, true);
    check_cuda(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    check_cuda(cudaEventRecord(done_, stream), "cudaEventRecord");
  }
  ~PendingCopy() override { cudaEventDestroy(done_); }

  at::Tensor wait() override {
    reducer_.wait_for(done_, "training step");
    return copy_;
  }

 private:
  NcclReducer& reducer_;
  at::Tensor copy_;
  cudaEvent_t done_ = nullptr;
};

}  // namespace

CudaRuntime::CudaRuntime(Communicator& host, int device, std::chrono::duration<double> timeout, bool capture)
    : device_(device),
      capture_(capture),
      stream_(compute_stream(device)),
      reducer_(host, device, stream_.stream(), timeout) {}

void CudaRuntime::run(const std::function<void()>& work) {
  const c10::cuda::CUDAStreamGuard guard(stream_);
  work();
}

void CudaRuntime::run_repeatedly(int64_t key, const std::function<void()>& work) {
  const c10::cuda::CUDAStreamGuard guard(stream_);
  Recording& recording = recordings_[key];
  if (!capture_ || recording.runs < kWarmUpRuns) {
    ++recording.runs;
    work();
    return;
  }
  if (!recording.graph) record(recording, work);
  recording.graph->replay();
}

// Thread-local: what other threads ask of CUDA meanwhile (NCCL's own, the status service's none) does not break it.
void CudaRuntime::record(Recording& recording, const std::function<void()>& work) {
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  work();
  graph->capture_end();
  recording.graph = std::move(graph);
}

std::unique_ptr<PendingValues> CudaRuntime::start_copy(const at::Tensor& values) {
  const c10::cuda::CUDAStreamGuard guard(stream_);
  return std::make_unique<PendingCopy>(values, stream_.stream(), reducer_);
}

}  // namespace fer_ddp
