#include "step/step_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/cpu_placement.h"
#include "core/error.h"
#include "network/engine_plan.h"
#include "step/autograd/autograd_step.h"
#include "step/device/device_step.h"
#include "step/device/kernel_choice.h"
#include "step/fused/fused_step.h"
#include "step/fused/stages/staged_step.h"

namespace fer_ddp {

namespace {

// Memory is taken for the batches that there are, not for those that the configuration would allow.
Config fitted(Config config, const Dataset& dataset) {
  const int64_t rows = std::max<int64_t>(dataset.split(Split::kTrain).size(), 1);
  config.batch_size = static_cast<int>(std::min<int64_t>(config.batch_size, rows));
  return config;
}

// The same for a rank's share of them, which is all that its device sees.
Config fitted_share(Config config, const Dataset& dataset, const Communicator& communicator) {
  config = fitted(std::move(config), dataset);
  config.batch_size = (config.batch_size + communicator.size() - 1) / communicator.size();
  return config;
}

// The study's own kernels take any target, but at no temperature, and compute in fp32 alone; the stages take both.
bool takes_own_kernels(const Config& config, const Network& network) {
  return is_seed_cnn(network) && config.precision == Precision::kFp32 &&
         (config.distill_from.empty() || config.distill_temperature == 1);
}

// The same with `step: autograd` where a rank's processor cannot compute at the precision by its kernels: then none
// does.
Config agreed(Config config, Communicator& communicator) {
  int64_t cannot = precision_refusal(config.precision).empty() ? 0 : 1;
  communicator.all_reduce(std::span(&cannot, 1), ReduceOperation::kMax);
  if (cannot > 0) config.step = StepChoice::kAutograd;
  return config;
}

std::unique_ptr<TrainingStep> make_cpu_step(const Config& config, Model& model, Optimizer& optimizer,
                                            const Dataset& dataset, Communicator& communicator) {
  if (config.step != StepChoice::kAutograd && FusedStep::refusal(config, model.network()).empty()) {
    if (takes_own_kernels(config, model.network()))
      return std::make_unique<FusedStep>(model, optimizer, communicator, fitted(config, dataset));
    return std::make_unique<StagedStep>(model, optimizer, communicator, fitted(config, dataset));
  }
  keep_freed_memory();  // the step's tensors come and go
  return std::make_unique<AutogradStep>(model, optimizer, communicator, config);
}

// The engine that `step: fused` asks for.
std::string refusal_of_fused(const Config& config, const Network& network) {
  return config.device == DeviceChoice::kCuda ? device_kernel_refusal(network) : FusedStep::refusal(config, network);
}

}  // namespace

void refuse_impossible_step(const Config& config, const Network& network) {
  if (config.precision == Precision::kTf32 && config.device == DeviceChoice::kCpu)
    throw user_error("precision is tf32, which is a GPU's, but device is cpu",
                     "Set device to cuda or auto, or precision to fp32.");
  if (config.gradient_all_reduce == GradientAllReduce::kBf16 && config.device == DeviceChoice::kCpu)
    throw user_error("gradient_all_reduce is bf16, which is a GPU's, but device is cpu",
                     "Set device to cuda or auto, or gradient_all_reduce to fp32.");
  if (config.step != StepChoice::kFused) return;
  if (const std::string refusal = refusal_of_fused(config, network); !refusal.empty())
    throw user_error(fmt::format("step is fused, but {}", refusal),
                     "Leave step at auto: it takes the fused step wherever that can run.");
}

std::string precision_fallback(const Config& config) {
  return config.step == StepChoice::kAuto ? precision_refusal(config.precision) : "";
}

std::unique_ptr<TrainingStep> make_training_step(const Config& config, Model& model, Optimizer& optimizer,
                                                 const Dataset& dataset, Communicator& communicator,
                                                 DeviceRuntime* device, Teachers* teachers,
                                                 const std::optional<std::string>& choices) {
  if (device != nullptr) {
    const Config of_share = fitted_share(config, dataset, communicator);
    return std::make_unique<DeviceStep>(
        model, optimizer, dataset, *device, of_share, teachers,
        choose_kernels(of_share, model.network(), *device, communicator, choices, kFewestMeasuredOperations, teachers));
  }
  const Config on_cpu = agreed(config, communicator);
  std::unique_ptr<TrainingStep> step = make_cpu_step(on_cpu, model, optimizer, dataset, communicator);
  if (teachers == nullptr) return step;
  return make_distilling_step(std::move(step), *teachers, fitted(on_cpu, dataset));
}

}  // namespace fer_ddp
