#include "step/device/library_convolutions.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/cudnn_convolution.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>

#include <array>

namespace fer_ddp {

namespace {

constexpr std::array<int64_t, 2> kNone = {0, 0};
constexpr std::array<int64_t, 2> kOnes = {1, 1};

std::array<int64_t, 2> both(int number) { return {number, number}; }

// [a, b, height, width] whose b lie next to each other.
struct Layout {
  std::array<int64_t, 4> sizes;
  std::array<int64_t, 4> strides;
  Layout(int64_t a, int64_t b, int64_t height, int64_t width)
      : sizes{a, b, height, width}, strides{height * width * b, 1, width * b, b} {}
};

Layout weight_layout(const DeviceConvolution& shape) {
  return {shape.output.channels, shape.input.channels, shape.kernel, shape.kernel};
}

}  // namespace

LibraryConvolutions::LibraryConvolutions(at::Device device, int value_bytes)
    : device_(device), type_(value_bytes == 2 ? at::kBFloat16 : at::kFloat) {}

at::Tensor LibraryConvolutions::values(const DeviceExtent& extent, const void* memory) const {
  const Layout layout(extent.images, extent.channels, extent.height, extent.width);
  return at::from_blob(const_cast<void*>(memory), layout.sizes, layout.strides,
                       at::TensorOptions(type_).device(device_));
}

at::Tensor LibraryConvolutions::weights(const DeviceConvolution& shape, const void* memory, at::ScalarType type) const {
  const Layout layout = weight_layout(shape);
  return at::from_blob(const_cast<void*>(memory), layout.sizes, layout.strides,
                       at::TensorOptions(type).device(device_));
}

void LibraryConvolutions::convolution(const DeviceConvolution& shape, const void* input, const void* weights_at,
                                      void* output) const {
  if (shape.output.images == 0) return;
  const at::NoGradGuard no_grad;
  const at::Tensor x = values(shape.input, input);
  const at::Tensor w = weights(shape, weights_at, type_);
  at::Tensor y = values(shape.output, output);
  const auto stride = both(shape.stride);
  const auto padding = both(shape.padding);
  if (device_.is_cuda())  // straight to its place
    at::cudnn_convolution_out(y, x, w, padding, stride, kOnes, 1, false, true, at::globalContext().allowTF32CuDNN());
  else
    y.copy_(at::convolution(x, w, {}, stride, padding, kOnes, false, kNone, 1));
}

void LibraryConvolutions::input_gradient(const DeviceConvolution& shape, const void* output_gradient,
                                         const void* weights_at, void* input_gradient, bool add) const {
  if (shape.output.images == 0) return;
  const at::NoGradGuard no_grad;
  at::Tensor to = values(shape.input, input_gradient);
  // Of the input the operator asks for its shape alone.
  const at::Tensor found = std::get<0>(
      at::convolution_backward(values(shape.output, output_gradient), to, weights(shape, weights_at, type_), {},
                               both(shape.stride), both(shape.padding), kOnes, false, kNone, 1, {true, false, false}));
  if (add)
    to.add_(found);
  else
    to.copy_(found);
}

void LibraryConvolutions::weight_gradient(const DeviceConvolution& shape, const void* input,
                                          const void* output_gradient, float* gradient) const {
  const at::NoGradGuard no_grad;
  at::Tensor to = weights(shape, gradient, at::kFloat);
  if (shape.output.images == 0) {
    to.zero_();
    return;
  }
  const Layout layout = weight_layout(shape);
  // Of the weights likewise.
  const at::Tensor like = at::empty_strided(layout.sizes, layout.strides, at::TensorOptions(type_).device(device_));
  to.copy_(std::get<1>(at::convolution_backward(values(shape.output, output_gradient), values(shape.input, input), like,
                                                {}, both(shape.stride), both(shape.padding), kOnes, false, kNone, 1,
                                                {false, true, false})));
}

}  // namespace fer_ddp
