// Which device a run computes on. "auto" takes a GPU where every rank's node has one and the CUDA plug-in is there. The
// plug-in must be loaded before LibTorch is used for the first time, because LibTorch then settles on having no GPU. A
// process opens its GPU once, and starts it anew for each of its runs.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "comm/communicator.h"
#include "core/config.h"
#include "step/device/device_plugin.h"

namespace fer_ddp {

// A rank's own GPU. Where none of its runs needs one, plugin is null.
struct ProcessGpu {
  std::unique_ptr<DevicePlugin> plugin;
  int device = 0;
  std::string name;  // "NVIDIA H100 80GB HBM3 (0000:17:00.0)"
};

// Collective over all ranks of the job. `runs`: all that this process is to run. Throws AgreedError where device is
// cuda and there is no plug-in, no driver, no GPU, or not one GPU a rank.
[[nodiscard]] ProcessGpu open_gpu(std::span<const Config> runs, Communicator& communicator);

// What one run computes on. Without a GPU (the CPU), runtime is null.
struct RunDevice {
  std::unique_ptr<DeviceRuntime> runtime;
  std::string name;
};

// Collective over the run's ranks; `gpu` and the communicator outlive what is returned.
[[nodiscard]] RunDevice start_device(const ProcessGpu& gpu, const Config& config, Communicator& communicator);

}  // namespace fer_ddp
