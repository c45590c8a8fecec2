// The update rules of optim/optimizer.h on a device's flat buffers, as LibTorch operators or, where the device has
// kernels of its own, as those (kernel_rules.h); for work that is recorded and replayed: what changes from step to step
// (learning rate, bias correction) is among the step's numbers (step_numbers.h), which begin_step() sets.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "core/config.h"
#include "optim/optimizer.h"
#include "step/device/device_kernels.h"
#include "step/device/step_numbers.h"

namespace fer_ddp {

// What a device's own kernels do of an update, beside the weights themselves.
struct DeviceWeights {
  DeviceKernels* kernels = nullptr;  // null: LibTorch's operators do all of it
  void* values = nullptr;            // the weights as the kernels' values, to be renewed; null: those are fp32
};

class DeviceOptimizer {
 public:
  DeviceOptimizer(const DeviceOptimizer&) = delete;
  DeviceOptimizer& operator=(const DeviceOptimizer&) = delete;
  virtual ~DeviceOptimizer() = default;

  // Sets the numbers of step `step`, counted from 1.
  void begin_step(double learning_rate, int64_t step);

  // weights and gradient: fp32, flat. Reads nothing on the host.
  virtual void update(at::Tensor& weights, const at::Tensor& gradient) = 0;

  // Whether update() also renews DeviceWeights::values.
  [[nodiscard]] virtual bool renews_values() const = 0;

  // Slot buffers, in the order of Optimizer::slots().
  [[nodiscard]] std::vector<at::Tensor>& slots() { return slots_; }

  // Where averages are kept: the share of a step's weights in them, fp32 []; else undefined.
  [[nodiscard]] const at::Tensor& average_share() const { return average_share_; }
  // The average begins as these weights.
  void begin_average(const at::Tensor& weights);

 protected:
  explicit DeviceOptimizer(StepNumbers& numbers) : numbers_(numbers) {}
  [[nodiscard]] const std::optional<double>& clip_norm() const { return config_.gradient_clip_norm; }

  StepNumbers& numbers_;
  std::vector<at::Tensor> slots_;  // a rule's own; then the average is put behind them

 private:
  friend std::unique_ptr<DeviceOptimizer> make_device_optimizer(const Config& config, const ParameterLayout& layout,
                                                                at::Device device, StepNumbers& numbers,
                                                                const DeviceWeights& weights);

  void set_rule_numbers(double learning_rate, int64_t step);

  Config config_;
  at::Tensor average_share_;
};

// The rule of config.optimizer for parameters that lie like this, all slots zero. `numbers` outlives it.
[[nodiscard]] std::unique_ptr<DeviceOptimizer> make_device_optimizer(const Config& config,
                                                                     const ParameterLayout& layout, at::Device device,
                                                                     StepNumbers& numbers,
                                                                     const DeviceWeights& weights = {});

}  // namespace fer_ddp
