// The update rules of optim/optimizer.h as LibTorch operators on a device's flat buffers, for work that is recorded and
// replayed: what changes from step to step (learning rate, bias correction) is held in tensors of the device, which
// begin_step() fills before the recorded work reads them.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "core/config.h"
#include "optim/optimizer.h"

namespace fer_ddp {

class DeviceOptimizer {
 public:
  DeviceOptimizer() = default;
  DeviceOptimizer(const DeviceOptimizer&) = delete;
  DeviceOptimizer& operator=(const DeviceOptimizer&) = delete;
  virtual ~DeviceOptimizer() = default;

  // Fills the device's numbers for step `step`, counted from 1.
  void begin_step(double learning_rate, int64_t step);

  // weights and gradient: fp32, flat. Reads nothing on the host.
  void update(at::Tensor& weights, const at::Tensor& gradient);

  // Slot buffers, in the order of Optimizer::slots().
  [[nodiscard]] std::vector<at::Tensor>& slots() { return slots_; }

  // Where averages are kept: the share of a step's weights in them, fp32 []; else undefined.
  [[nodiscard]] const at::Tensor& average_share() const { return average_share_; }
  // The average begins as these weights.
  void begin_average(const at::Tensor& weights);

 protected:
  virtual void prepare(double learning_rate, int64_t step) = 0;
  virtual void apply(at::Tensor& weights, const at::Tensor& gradient) = 0;

  std::vector<at::Tensor> slots_;

 private:
  friend std::unique_ptr<DeviceOptimizer> make_device_optimizer(const Config& config, const ParameterLayout& layout,
                                                                at::Device device);

  std::optional<double> clip_norm_;
  double average_decay_ = 0;
  at::Tensor average_share_;
};

// The rule of config.optimizer for parameters that lie like this, all slots zero.
[[nodiscard]] std::unique_ptr<DeviceOptimizer> make_device_optimizer(const Config& config,
                                                                     const ParameterLayout& layout, at::Device device);

}  // namespace fer_ddp
