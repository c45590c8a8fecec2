// Which device a run computes on. "auto" takes a GPU where every rank's node has one and the CUDA plug-in is there. The
// plug-in must be loaded before LibTorch is used for the first time, because LibTorch then settles on having no GPU.
#pragma once

#include <memory>
#include <string>

#include "core/config.h"
#include "launcher/command.h"
#include "step/device/device_plugin.h"

namespace fer_ddp {

// A rank's own GPU. Without one (the CPU), runtime is null.
struct RunDevice {
  std::unique_ptr<DevicePlugin> plugin;  // outlives the runtime
  std::unique_ptr<DeviceRuntime> runtime;
  std::string name;  // "NVIDIA H100 80GB HBM3 (0000:17:00.0)"
};

// Collective. Throws AgreedError where device is cuda and there is no plug-in, no driver, no GPU, or not one GPU a
// rank.
[[nodiscard]] RunDevice open_device(const Config& config, Session& session);

}  // namespace fer_ddp
