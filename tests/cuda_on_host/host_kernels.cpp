#include "tests/host_kernels.h"

#include "cuda/kernels/launched_kernels.cuh"

namespace fer_ddp {

std::unique_ptr<DeviceKernels> make_host_kernels(Precision precision, int multiprocessors) {
  switch (precision) {
    case Precision::kFp32:
      return std::make_unique<cuda::LaunchedKernels<cuda::FloatMath, float>>(nullptr, multiprocessors);
    case Precision::kTf32:
      return std::make_unique<cuda::LaunchedKernels<cuda::Tf32Math, float>>(nullptr, multiprocessors);
    case Precision::kBf16:
      return std::make_unique<cuda::LaunchedKernels<cuda::Bf16Math, cuda::Bf16>>(nullptr, multiprocessors);
  }
  return nullptr;
}

int64_t host_kernel_launches() { return cuda_on_host::launches(); }

}  // namespace fer_ddp
