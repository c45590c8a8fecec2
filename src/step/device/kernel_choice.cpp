#include "step/device/kernel_choice.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "comm/agreement.h"
#include "core/error.h"
#include "step/device/kernel_engine.h"

namespace fer_ddp {

namespace {

std::unique_ptr<DeviceKernels> choose_convolutions(std::unique_ptr<DeviceKernels> kernels, const Config& config,
                                                   const Network& network, DeviceRuntime& runtime,
                                                   Communicator& communicator, double fewest_measured) {
  const StagePlan plan = plan_stages(network);
  const std::vector<DeviceConvolution> large = large_convolutions(plan, config.batch_size, fewest_measured);
  if (large.empty()) return kernels;
  auto chosen = std::make_unique<ChosenKernels>(std::move(kernels), runtime.device(),
                                                fmt::format("{}, {}", runtime.name(), choice_word(config.precision)));
  run_together(communicator, [&] {
    runtime.use_precision(config.precision);
    chosen->measure(large, runtime);
  });
  chosen->use_choices(broadcast_text(communicator, chosen->choices()));
  return chosen;
}

}  // namespace

std::unique_ptr<DeviceKernels> choose_kernels(const Config& config, const Network& network, DeviceRuntime& runtime,
                                              Communicator& communicator, double fewest_measured) {
  if (config.step == StepChoice::kAutograd || !KernelEngine::refusal(config, network).empty()) return nullptr;
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
  return choose_convolutions(std::move(kernels), config, network, runtime, communicator, fewest_measured);
}

}  // namespace fer_ddp
