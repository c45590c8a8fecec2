// What the CUDA runtime says, for people: the call, the error's name and sentence, and what a node without a driver or
// without a visible GPU looks like.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "core/error.h"

namespace fer_ddp {

// "cudaSetDevice: invalid device ordinal (cudaErrorInvalidDevice)", with advice where the reason is known.
[[nodiscard]] Error cuda_error(cudaError_t code, const char* call);

// Throws cuda_error (the machine's fault) unless `code` is cudaSuccess. Clears the runtime's last error.
void check_cuda(cudaError_t code, const char* call);

}  // namespace fer_ddp
