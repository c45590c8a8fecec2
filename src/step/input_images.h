// Images as the tensor that a model takes in: fp32 [n, 1, 48, 48] with genuine channels_last strides (for one channel
// `contiguous(ChannelsLast)` would do nothing and the convolution would run in NCHW). Pure; thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "core/pixel_scale.h"

namespace fer_ddp {

// `count` images, on LibTorch's threads; write(i, pixels) writes the i-th one's 48 x 48 floats.
[[nodiscard]] at::Tensor input_images(int64_t count, const std::function<void(int64_t, float*)>& write);

// Grey bytes, scaled as a network's table says. `gather(i)` gives the i-th image.
[[nodiscard]] at::Tensor input_images(PixelScale scale, int64_t count,
                                      const std::function<const uint8_t*(int64_t)>& gather);

// The same of bytes [n, 48, 48] on any device, within rounding.
[[nodiscard]] at::Tensor input_images(PixelScale scale, const at::Tensor& bytes);

// [n, 48 * 48] in rows as a model's input: a view.
[[nodiscard]] at::Tensor as_input(const at::Tensor& rows);

}  // namespace fer_ddp
