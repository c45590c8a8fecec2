// What --profile prints when a run on a GPU ends: where the time of rank 0's training steps went, kernel by kernel, and
// how close each came to what the GPU's memory and arithmetic can do.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/kernel_time.h"

namespace fer_ddp {

// `steps`: how many were timed.
[[nodiscard]] std::string kernel_table(std::span<const KernelTime> kernels, int64_t steps, const DevicePeaks& peaks);

}  // namespace fer_ddp
