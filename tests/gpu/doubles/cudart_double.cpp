// A double of the few CUDA runtime calls that src/cuda makes, over the host's memory: a stream is a thread with a
// queue, so that launches return at once and order shows; an event is a mark in a queue; a graph is what the streams of
// one capture were given, in that order. FER_DDP_DOUBLE_GPUS says how many GPUs there are (2); 0: a driver without a
// GPU; -1: no driver. It cannot show kernels, device memory or timing.
#include <cuda_runtime_api.h>

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "doubles.h"

struct CUgraph_st {
  std::vector<std::function<void()>> work{};
  bool collectives = false;
};

// Between cudaStreamBeginCapture and cudaStreamEndCapture.
struct Capture {
  std::unique_ptr<CUgraph_st> graph = std::make_unique<CUgraph_st>();
  std::vector<cudaStream_t> streams{};  // the one that began it, and those that follow it by events
};

struct CUgraphExec_st {
  CUgraph_st graph;
  std::mutex mutex{};
  std::condition_variable changed{};
  int launches = 0;  // that have not ended
};

struct CUstream_st {
 public:
  CUstream_st() : thread_([this] { run(); }) {}
  ~CUstream_st() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  // While this is null the stream runs what it is given; else it records that. Of the calling thread alone.
  std::shared_ptr<Capture> capture{};

  void join(std::shared_ptr<Capture> other) {
    if (capture == other) return;
    capture = std::move(other);
    capture->streams.push_back(this);
  }
  void add(std::function<void()> work) {
    if (capture) {
      capture->graph->work.push_back(std::move(work));
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_all();
  }
  bool idle() {
    const std::lock_guard lock(mutex_);
    return queue_.empty() && !busy_;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return over_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      work();
      lock.lock();
      busy_ = false;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool busy_ = false;
  bool over_ = false;
  std::thread thread_;
};

namespace {

// What one cudaEventRecord leaves in a queue.
class Mark {
 public:
  void reach() {
    {
      const std::lock_guard lock(mutex_);
      reached_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
  }
  bool reached() {
    const std::lock_guard lock(mutex_);
    return reached_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false;
};

std::mutex memory_mutex;
std::map<const char*, size_t> device_memory;
thread_local cudaError_t last_error = cudaSuccess;

int gpu_count() {
  const char* text = std::getenv("FER_DDP_DOUBLE_GPUS");
  return text == nullptr ? 2 : std::atoi(text);
}

cudaError_t keep(cudaError_t code) {
  if (code != cudaSuccess && code != cudaErrorNotReady) last_error = code;
  return code;
}

cudaError_t readiness() {
  if (gpu_count() > 0) return cudaSuccess;
  return keep(gpu_count() == 0 ? cudaErrorNoDevice : cudaErrorInsufficientDriver);
}

}  // namespace

struct CUevent_st {
  std::shared_ptr<Mark> newest{};      // null: never recorded, which counts as reached
  std::shared_ptr<Capture> capture{};  // in which it was recorded last
};

bool is_device_memory(const void* address) {
  const std::lock_guard lock(memory_mutex);
  const auto* const byte = static_cast<const char*>(address);
  auto after = device_memory.upper_bound(byte);
  return after != device_memory.begin() && byte < (--after)->first + after->second;
}

void launch_on(cudaStream_t stream, std::function<void()> work) { stream->add(std::move(work)); }

bool record_collective(cudaStream_t stream) {
  if (!stream->capture) return false;
  stream->capture->graph->collectives = true;
  return true;
}

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = gpu_count() > 0 ? gpu_count() : 0;
  return readiness();
}

cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t code = readiness(); code != cudaSuccess) return code;
  return keep(device >= 0 && device < gpu_count() ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaDeviceSynchronize() { return keep(readiness()); }

// An H100's.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  static const std::map<cudaDeviceAttr, int> all = {
      {cudaDevAttrClockRate, 1'980'000},       {cudaDevAttrMultiProcessorCount, 132},
      {cudaDevAttrComputeCapabilityMajor, 9},  {cudaDevAttrComputeCapabilityMinor, 0},
      {cudaDevAttrMemoryClockRate, 2'619'000}, {cudaDevAttrGlobalMemoryBusWidth, 5120},
  };
  const auto found = all.find(attribute);
  if (found == all.end()) return keep(cudaErrorInvalidValue);
  *value = found->second;
  return keep(readiness());
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    default:
      return "cudaErrorUnknown";
  }
}

const char* cudaGetErrorString(cudaError_t code) {
  switch (code) {
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    default:
      return "unknown error";
  }
}

cudaError_t cudaMalloc(void** address, size_t bytes) {
  *address = std::calloc(bytes, 1);
  const std::lock_guard lock(memory_mutex);
  device_memory[static_cast<const char*>(*address)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* address) {
  const std::lock_guard lock(memory_mutex);
  if (device_memory.erase(static_cast<const char*>(address)) == 0) return keep(cudaErrorInvalidValue);
  std::free(address);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  stream->add([=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (const cudaError_t code = readiness(); code != cudaSuccess) return code;
  *stream = new CUstream_st;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* lowest, int* highest) {
  if (lowest != nullptr) *lowest = 0;
  if (highest != nullptr) *highest = -5;
  return readiness();
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

// What still runs goes on, as on a GPU.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream->idle()) delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (stream->capture) return keep(cudaErrorStreamCaptureUnsupported);
  return stream->idle() ? cudaSuccess : cudaErrorNotReady;
}

// A stream joins a capture by waiting for an event of it; a capture may wait for nothing from outside, and nothing
// outside for what is recorded.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->capture) {
    if (!event->capture->graph) return keep(cudaErrorInvalidValue);
    stream->join(event->capture);
    return cudaSuccess;
  }
  if (stream->capture) return keep(cudaErrorStreamCaptureIsolation);
  if (event->newest) stream->add([mark = event->newest] { mark->wait(); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (const cudaError_t code = readiness(); code != cudaSuccess) return code;
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event->capture) return keep(cudaErrorCapturedEvent);
  return !event->newest || event->newest->reached() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->capture = stream->capture;
  if (stream->capture) return cudaSuccess;  // a graph keeps the order of its recording
  event->newest = std::make_shared<Mark>();
  stream->add([mark = event->newest] { mark->reach(); });
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capture) return keep(cudaErrorIllegalState);
  stream->join(std::make_shared<Capture>());
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return keep(cudaErrorIllegalState);
  for (const cudaStream_t recorded : capture->streams) recorded->capture = nullptr;
  *graph = capture->graph.release();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* graph, cudaGraph_t recorded, unsigned long long) {
  *graph = new CUgraphExec_st{.graph = *recorded};
  if (recorded->collectives) ++live_graphs;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t recorded) {
  delete recorded;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  {
    const std::lock_guard lock(graph->mutex);
    ++graph->launches;
  }
  stream->add([graph] {
    for (const auto& work : graph->graph.work) work();
    const std::lock_guard lock(graph->mutex);
    --graph->launches;
    graph->changed.notify_all();
  });
  return cudaSuccess;
}

// Blocks for as long as the graph runs, as the driver does.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  {
    std::unique_lock lock(graph->mutex);
    graph->changed.wait(lock, [graph] { return graph->launches == 0; });
  }
  if (graph->graph.collectives) --live_graphs;
  delete graph;
  return cudaSuccess;
}

}  // extern "C"
