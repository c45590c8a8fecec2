#include "launcher/device_selection.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "comm/agreement.h"
#include "core/error.h"
#include "launcher/gpu_assignment.h"
#include "launcher/own_library.h"

namespace fer_ddp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kOtherwise =
    "Set device to cpu, or to auto, which takes a GPU where there is one that can be used.";

// Cheap, and touches neither the driver nor LibTorch.
bool gpu_seems_usable() {
  std::error_code ignored;
  const fs::path gpus = "/proc/driver/nvidia/gpus";
  return fs::exists(gpus, ignored) && !fs::is_empty(gpus, ignored) && has_own_library(kCudaPlugin);
}

bool everywhere(Communicator& communicator, bool here) {
  std::array<int64_t, 1> missing = {here ? 0 : 1};
  communicator.all_reduce(std::span<int64_t>(missing), ReduceOperation::kMax);
  return missing[0] == 0;
}

std::unique_ptr<DevicePlugin> load_plugin() {
  if (!has_own_library(kCudaPlugin))
    throw user_error(fmt::format("device is cuda, but this fer-ddp has no CUDA plug-in (no {} beside it)", kCudaPlugin),
                     fmt::format("cluster/setup/install_dependencies --cuda, then build again. {}", kOtherwise));
  auto* const make = reinterpret_cast<MakeDevicePlugin*>(
      load_own_library(kCudaPlugin, "fer_ddp_make_device_plugin",
                       "cluster/setup/install_dependencies --cuda-runtime fetches the libraries that it needs."));
  std::array<char, 512> reason{};
  std::unique_ptr<DevicePlugin> plugin(make(reason.data(), reason.size()));
  if (!plugin) throw machine_error(fmt::format("{}: {}", kCudaPlugin, reason.data()));
  return plugin;
}

}  // namespace

RunDevice open_device(const Config& config, Session& session) {
  Communicator& communicator = session.communicator();
  if (config.device == DeviceChoice::kCpu || config.step == StepChoice::kFused) return {};  // that step is the CPU's
  if (config.device == DeviceChoice::kAuto && !everywhere(communicator, gpu_seems_usable())) return {};
  RunDevice device;
  GpuAssignment gpu;
  run_together(communicator, [&] {
    device.plugin = load_plugin();
    gpu = assign_gpu(*device.plugin, communicator);
  });
  refuse_sharing(gpu, communicator);
  device.name = fmt::format("{} ({})", gpu.name, gpu.identity);
  device.runtime = device.plugin->make_runtime(
      communicator, gpu.device, std::chrono::duration<double>(config.collective_timeout_seconds), config.cuda_graph);
  return device;
}

}  // namespace fer_ddp
