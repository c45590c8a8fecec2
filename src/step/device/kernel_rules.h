// The update rules of a device by its own kernels: as few passes over the flat buffers as a rule needs, and in the same
// passes clipping, averages and the weights as the kernels' values. For make_device_optimizer() alone.
#pragma once

#include <memory>

#include "step/device/device_optimizer.h"

namespace fer_ddp {

// weights.kernels is not null.
[[nodiscard]] std::unique_ptr<DeviceOptimizer> make_kernel_rule(const Config& config, const ParameterLayout& layout,
                                                                at::Device device, StepNumbers& numbers,
                                                                const DeviceWeights& weights);

}  // namespace fer_ddp
