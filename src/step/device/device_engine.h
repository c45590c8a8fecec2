// How a device computes a step's gradients, and what a network says of images: by LibTorch's autograd
// (autograd_engine.h) or by kernels of this project's own (kernel_engine.h). The step around it (device_step.h) feeds
// it and updates the weights; both work on the device's model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "comm/reducer.h"
#include "core/config.h"
#include "model/model.h"

namespace fer_ddp {

class DeviceEngine {
 public:
  DeviceEngine() = default;
  DeviceEngine(const DeviceEngine&) = delete;
  DeviceEngine& operator=(const DeviceEngine&) = delete;
  virtual ~DeviceEngine() = default;

  // Forward and backward of this rank's `images` of a global batch, as DeviceFeed holds them: the gradient of the mean
  // loss, summed over the ranks, in the model's flat buffer; running statistics moved. sums [2]: fp32, the share's loss
  // and how many images are called by their label. Collective. May be recorded.
  virtual void compute(int64_t images, int64_t global_images, at::Tensor& sums) = 0;

  // The model's weights and statistics are new, by others than compute() and the optimizer.
  virtual void load() = 0;
  // The optimizer has updated the weights, and them alone (DeviceOptimizer::renews_values()). May be recorded.
  virtual void weights_changed() = 0;

  // Logits [n, 7], in evaluation: of rows of a split's bytes, or of images [n, 1, 48, 48] as the network takes them in.
  [[nodiscard]] virtual at::Tensor logits(const at::Tensor& images) = 0;
};

// Normalisation's sums over the ranks, or the identity where statistics are a rank's own. `reducer` outlives it.
[[nodiscard]] SumOverRanks statistics_sum(Reducer& reducer, const Config& config);

// Weights and running statistics, from one model to another of the same network, on any devices.
void copy_tensors(Model& from, Model& to);

}  // namespace fer_ddp
