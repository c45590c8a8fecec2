#include "launcher/device_selection.h"

#include <fmt/format.h>

#include <algorithm>
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

// Where device is auto, a step that must be fused is the CPU's.
bool is_for_cpu(const Config& config) {
  if (config.device == DeviceChoice::kAuto) return config.step == StepChoice::kFused;
  return config.device == DeviceChoice::kCpu;
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

ProcessGpu open_gpu(std::span<const Config> runs, Communicator& communicator) {
  if (std::all_of(runs.begin(), runs.end(), is_for_cpu)) return {};
  const bool required =
      std::any_of(runs.begin(), runs.end(), [](const Config& config) { return config.device == DeviceChoice::kCuda; });
  if (!required && !everywhere(communicator, gpu_seems_usable())) return {};
  ProcessGpu gpu;
  GpuAssignment assigned;
  run_together(communicator, [&] {
    gpu.plugin = load_plugin();
    assigned = assign_gpu(*gpu.plugin, communicator);
  });
  refuse_sharing(assigned, communicator);
  gpu.device = assigned.device;
  gpu.name = fmt::format("{} ({})", assigned.name, assigned.identity);
  return gpu;
}

RunDevice start_device(const ProcessGpu& gpu, const Config& config, Communicator& communicator) {
  if (!gpu.plugin || is_for_cpu(config)) return {};
  return {.runtime = gpu.plugin->make_runtime(communicator, gpu.device,
                                              std::chrono::duration<double>(config.collective_timeout_seconds),
                                              config.cuda_graph),
          .name = gpu.name};
}

}  // namespace fer_ddp
