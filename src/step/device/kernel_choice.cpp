#include "step/device/kernel_choice.h"

#include <array>

#include "comm/agreement.h"
#include "core/error.h"
#include "step/device/kernel_engine.h"

namespace fer_ddp {

std::unique_ptr<DeviceKernels> choose_kernels(const Config& config, const Network& network, DeviceRuntime& runtime,
                                              Communicator& communicator) {
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
  return missing[0] == 0 ? std::move(kernels) : nullptr;
}

}  // namespace fer_ddp
