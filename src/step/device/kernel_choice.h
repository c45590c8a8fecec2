// Whether a run computes a device's gradients by this project's own kernels (device_kernels.h) or by LibTorch's
// operators. All of its ranks decide alike: the two sum different things over the ranks.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "core/config.h"
#include "network/network.h"
#include "step/device/device_runtime.h"

namespace fer_ddp {

// Collective over the run's ranks. Null: LibTorch's operators, since the configuration asks for them, the kernels match
// no such network, or some rank's device has none. Throws AgreedError: the user's fault where step is fused and a
// device has none, the machine's where they cannot be made.
[[nodiscard]] std::unique_ptr<DeviceKernels> choose_kernels(const Config& config, const Network& network,
                                                            DeviceRuntime& runtime, Communicator& communicator);

}  // namespace fer_ddp
