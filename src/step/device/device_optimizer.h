// The update rules of optim/optimizer.h as LibTorch operators on a device's flat buffers, for work that is recorded and
// replayed: what changes from step to step (learning rate, bias correction) is held in tensors of the device, which
// begin_step() fills before the recorded work reads them.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
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
  virtual void begin_step(double learning_rate, int64_t step) = 0;

  // weights and gradient: fp32, flat. Reads nothing on the host.
  virtual void update(at::Tensor& weights, const at::Tensor& gradient) = 0;

  // Slot buffers, in the order of Optimizer::slots().
  [[nodiscard]] std::vector<at::Tensor>& slots() { return slots_; }

 protected:
  std::vector<at::Tensor> slots_;
};

// The rule of config.optimizer for `size` weights, all slots zero.
[[nodiscard]] std::unique_ptr<DeviceOptimizer> make_device_optimizer(const Config& config, int64_t size,
                                                                     at::Device device);

}  // namespace fer_ddp
