#include "step/device/kernel_choice.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/agreement.h"
#include "core/error.h"
#include "network/engine_plan.h"

namespace fer_ddp {

namespace {

// Whose convolutions are whose.
std::unique_ptr<DeviceKernels> choose_convolutions(std::unique_ptr<DeviceKernels> kernels, const Config& config,
                                                   std::span<const Network* const> networks, DeviceRuntime& runtime,
                                                   Communicator& communicator,
                                                   const std::optional<std::string>& choices, double fewest_measured) {
  std::vector<DeviceConvolution> large;
  for (const Network* network : networks) {
    const auto own = large_convolutions(plan_stages(*network), config.batch_size, fewest_measured);
    large.insert(large.end(), own.begin(), own.end());
  }
  const bool is_open = config.convolutions == ConvolutionChoice::kAuto && !large.empty();
  if (!is_open && config.convolutions != ConvolutionChoice::kCudnn) return kernels;
  const std::string device = broadcast_text(communicator, runtime.name());
  auto chosen = std::make_unique<ChosenKernels>(std::move(kernels), runtime.device(),
                                                fmt::format("{}, {}", device, choice_word(config.precision)));
  if (!is_open) {
    chosen->leave_all_to_library();
  } else if (choices) {
    chosen->use_choices(*choices);
  } else {
    std::vector<double> seconds;
    run_together(communicator, [&] {
      runtime.use_precision(config.precision);
      seconds = chosen->measure(large, runtime);
    });
    communicator.all_reduce(std::span<double>(seconds), ReduceOperation::kSum);
    chosen->choose(large, seconds);
  }
  return chosen;
}

}  // namespace

std::unique_ptr<DeviceKernels> choose_kernels(const Config& config, const Network& network, DeviceRuntime& runtime,
                                              Communicator& communicator, const std::optional<std::string>& choices,
                                              double fewest_measured, const Teachers* teachers) {
  if (config.step == StepChoice::kAutograd || !device_kernel_refusal(network).empty()) return nullptr;
  std::unique_ptr<DeviceKernels> kernels;
  run_together(communicator, [&] {
    kernels = runtime.make_kernels(config.precision);
    if (config.step == StepChoice::kFused && !kernels)
      throw user_error("step is fused, but there are no kernels for this GPU at this precision",
                       "Leave step at auto, or rebuild the CUDA plug-in with its kernels (README.md, GPU).");
  });
  std::array<int64_t, 1> missing = {kernels ? 0 : 1};
  communicator.all_reduce(std::span<int64_t>(missing), ReduceOperation::kMax);
  if (missing[0] > 0) return nullptr;
  std::vector<const Network*> networks = {&network};
  if (teachers != nullptr)
    for (const auto& teacher : teachers->models())
      if (device_kernel_refusal(teacher->network()).empty()) networks.push_back(&teacher->network());
  return choose_convolutions(std::move(kernels), config, networks, runtime, communicator, choices, fewest_measured);
}

}  // namespace fer_ddp
