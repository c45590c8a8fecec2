// The sources of src/cuda/kernels on the host (tests/cuda_on_host), as a device's own kernels.
#pragma once

#include <cstdint>
#include <memory>

#include "core/choices.h"
#include "step/device/device_kernels.h"

namespace fer_ddp {

[[nodiscard]] std::unique_ptr<DeviceKernels> make_host_kernels(Precision precision, int multiprocessors = 4);

// Kernels that were started so far, by all of them.
[[nodiscard]] int64_t host_kernel_launches();

}  // namespace fer_ddp
