// A vector in the GPU's memory (of the double, here), filled from and read back to the host in the order of a stream.
#pragma once

#include <cuda_runtime_api.h>

#include <span>
#include <vector>

#include "cuda/cuda_error.h"
#include "cuda/nccl_reducer.h"

namespace fer_ddp {

template <typename T>
class DeviceBuffer {
 public:
  DeviceBuffer(size_t size, cudaStream_t stream) : size_(size), stream_(stream) {
    void* memory = nullptr;
    check_cuda(cudaMalloc(&memory, size * sizeof(T)), "cudaMalloc");
    values_ = static_cast<T*>(memory);
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { cudaFree(values_); }

  [[nodiscard]] std::span<T> span() const { return {values_, size_}; }
  // `host` must live until the stream has come there.
  void fill_from(const std::vector<T>& host) {
    check_cuda(cudaMemcpyAsync(values_, host.data(), size_ * sizeof(T), cudaMemcpyHostToDevice, stream_), "copy");
  }
  void copy_to(std::vector<T>& host) const {
    check_cuda(cudaMemcpyAsync(host.data(), values_, size_ * sizeof(T), cudaMemcpyDeviceToHost, stream_), "copy");
  }

 private:
  size_t size_;
  cudaStream_t stream_;
  T* values_ = nullptr;
};

// A stream as a training step would compute on.
class ComputeStream {
 public:
  ComputeStream() {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  ComputeStream(const ComputeStream&) = delete;
  ComputeStream& operator=(const ComputeStream&) = delete;
  ~ComputeStream() { cudaStreamDestroy(stream_); }
  [[nodiscard]] cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace fer_ddp
