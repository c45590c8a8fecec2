// Whether a run computes a device's gradients by this project's own kernels (device_kernels.h) or by LibTorch's
// operators; and which passes of large convolutions are LibTorch's among those kernels. All of its ranks decide alike:
// the engines sum different things over the ranks, and a checkpoint holds one choice for all.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "comm/communicator.h"
#include "core/config.h"
#include "network/network.h"
#include "step/device/chosen_kernels.h"
#include "step/device/device_runtime.h"
#include "step/teachers.h"

namespace fer_ddp {

// Collective over the run's ranks. Null: LibTorch's operators, since the configuration asks for them, the kernels match
// no such network, or some rank's device has none. Where config.convolutions is auto, `choices` of an earlier run hold;
// without, convolutions that take `fewest_measured` operations for config.batch_size, which is a rank's share, are
// measured, of the network and of the teachers that kernels will ask: what is quicker for all ranks together holds for
// all. Throws AgreedError: the user's fault where step is
// fused and a device has none, the machine's where they cannot be made or measured.
[[nodiscard]] std::unique_ptr<DeviceKernels> choose_kernels(const Config& config, const Network& network,
                                                            DeviceRuntime& runtime, Communicator& communicator,
                                                            const std::optional<std::string>& choices = {},
                                                            double fewest_measured = kFewestMeasuredOperations,
                                                            const Teachers* teachers = nullptr);

}  // namespace fer_ddp
