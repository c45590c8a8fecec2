// This project's own kernels (src/cuda/kernels) on a GPU's stream.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "core/choices.h"
#include "step/device/device_kernels.h"

namespace fer_ddp {

// Null where the GPU that `device` numbers is too old for the precision (bf16 and TF32 take compute capability 8.0,
// fp32 7.5), or where this plug-in was built without kernels. Throws Error (the machine's fault).
[[nodiscard]] std::unique_ptr<DeviceKernels> make_launched_kernels(Precision precision, cudaStream_t stream,
                                                                   int device);

}  // namespace fer_ddp
