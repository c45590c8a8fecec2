// A network's convolutions by LibTorch's operators, cuDNN's on a GPU, on the memory that DeviceKernels works with
// (device_kernels.h says how values and weights lie: LibTorch calls it channels_last). cuDNN's answers are
// deterministic ones. The gradient of weights is rounded to the values' type, as LibTorch's autograd would have it, and
// then is fp32.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "step/device/device_kernels.h"

namespace fer_ddp {

// Thread-safe; holds nothing of a device.
class LibraryConvolutions {
 public:
  // value_bytes: DeviceKernels::value_bytes().
  LibraryConvolutions(at::Device device, int value_bytes);

  // As the calls of DeviceKernels of the same name.
  void convolution(const DeviceConvolution& shape, const void* input, const void* weights, void* output) const;
  void input_gradient(const DeviceConvolution& shape, const void* output_gradient, const void* weights,
                      void* input_gradient, bool add) const;
  // gradient: [weights] as they lie.
  void weight_gradient(const DeviceConvolution& shape, const void* input, const void* output_gradient,
                       float* gradient) const;

 private:
  [[nodiscard]] at::Tensor values(const DeviceExtent& extent, const void* memory) const;
  [[nodiscard]] at::Tensor weights(const DeviceConvolution& shape, const void* memory, at::ScalarType type) const;

  at::Device device_;
  at::ScalarType type_;
};

}  // namespace fer_ddp
