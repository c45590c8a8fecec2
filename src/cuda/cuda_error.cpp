#include "cuda/cuda_error.h"

#include <fmt/format.h>

namespace fer_ddp {

Error cuda_error(cudaError_t code, const char* call) {
  std::string advice;
  if (code == cudaErrorInsufficientDriver)
    advice = fmt::format("No NVIDIA driver here, or one older than CUDA {}.{}: nvidia-smi says which.",
                         CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  if (code == cudaErrorNoDevice)
    advice = "There is a driver, but no GPU that this process may see: look at CUDA_VISIBLE_DEVICES.";
  return machine_error(fmt::format("{}: {} ({})", call, cudaGetErrorString(code), cudaGetErrorName(code)), advice);
}

void check_cuda(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  cudaGetLastError();
  throw cuda_error(code, call);
}

}  // namespace fer_ddp
