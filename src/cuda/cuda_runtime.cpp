#include "cuda/cuda_runtime.h"

#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <limits>

#include "cuda/cuda_error.h"
#include "cuda/launched_kernels.h"

namespace fer_ddp {

namespace {

c10::cuda::CUDAStream compute_stream(int device) {
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  return c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(device));
}

// Records what the current stream is given, and what other streams are that follow it by events.
class CudaGraph final : public WorkGraph {
 public:
  // Thread-local: NCCL starts its kernels from threads of its own, which may also allocate memory.
  void begin() override { graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal); }
  void end() override { graph_.capture_end(); }
  void replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

class TimedEvent {
 public:
  TimedEvent() { check_cuda(cudaEventCreate(&event_), "cudaEventCreate"); }
  TimedEvent(const TimedEvent&) = delete;
  TimedEvent& operator=(const TimedEvent&) = delete;
  ~TimedEvent() { cudaEventDestroy(event_); }
  void record(cudaStream_t stream) const { check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  [[nodiscard]] cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

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
      current_(stream_),
      recorder_([] { return std::make_unique<CudaGraph>(); }),
      reducer_(host, device, stream_.stream(), timeout) {
  reducer_.before_leaving([this] { return recorder_.take(); });
}

void CudaRuntime::run_repeatedly(int64_t key, const std::function<void()>& work) {
  if (capture_ && !clock_) {
    recorder_.run(key, work);
  } else {
    work();
  }
}

std::unique_ptr<DeviceKernels> CudaRuntime::make_kernels(Precision precision) {
  return make_launched_kernels(precision, stream_.stream(), device_);
}

void CudaRuntime::use_precision(Precision precision) {
  at::globalContext().setDeterministicCuDNN(true);
  // With bf16 as well: what is left in fp32 then, such as Muon's products, asks for no more.
  const bool allows_tf32 = precision != Precision::kFp32;
  at::globalContext().setAllowTF32CuDNN(allows_tf32);
  at::globalContext().setAllowTF32CuBLAS(allows_tf32);
}

std::string name_of_gpu(int device) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return properties.name;
}

double CudaRuntime::seconds_of(const std::function<void()>& work) {
  constexpr int kMeasurements = 3;
  work();  // what it loads and takes for good cannot be recorded, nor shall it count
  CudaGraph graph;
  const bool records = capture_ && !clock_;
  if (records) record_into(graph, work);
  const TimedEvent begin;
  const TimedEvent end;
  float quickest = std::numeric_limits<float>::infinity();
  for (int i = 0; i < kMeasurements; ++i) {
    begin.record(stream_.stream());
    if (records)
      graph.replay();
    else
      work();
    end.record(stream_.stream());
    reducer_.wait_for(end.get(), "measured kernels");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), "cudaEventElapsedTime");
    quickest = std::min(quickest, milliseconds);
  }
  return static_cast<double>(quickest) / 1000;
}

std::unique_ptr<PendingValues> CudaRuntime::start_copy(const at::Tensor& values) {
  return std::make_unique<PendingCopy>(values, stream_.stream(), reducer_);
}

}  // namespace fer_ddp
