#include "cuda/cuda_error.h"
#include "cuda/kernels/launched_kernels.cuh"
#include "cuda/launched_kernels.h"

namespace fer_ddp {

std::unique_ptr<DeviceKernels> make_launched_kernels(Precision precision, cudaStream_t stream, int device) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  const int capability = properties.major * 10 + properties.minor;
  if (capability < (precision == Precision::kFp32 ? 75 : 80)) return nullptr;
  // A build for a few GPUs alone may hold nothing that this one runs.
  cudaFuncAttributes found{};
  if (cudaFuncGetAttributes(&found, cuda::sum_weight_parts) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return nullptr;
  }
  const int multiprocessors = properties.multiProcessorCount;
  switch (precision) {
    case Precision::kFp32:
      return std::make_unique<cuda::LaunchedKernels<cuda::FloatMath, float>>(stream, multiprocessors);
    case Precision::kTf32:
      return std::make_unique<cuda::LaunchedKernels<cuda::Tf32Math, float>>(stream, multiprocessors);
    case Precision::kBf16:
      return std::make_unique<cuda::LaunchedKernels<cuda::Bf16Math, cuda::Bf16>>(stream, multiprocessors);
  }
  return nullptr;
}

}  // namespace fer_ddp
