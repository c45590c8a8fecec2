// ReLU followed by 2 x 2 max-pooling with stride 2, fused: one pass forward and one backward, where separate operators
// read and write the large activation four times. A window's gradient goes to its largest element, the first in
// row-major order among equals (as PyTorch does), and nowhere when that element is not positive. Odd last rows and
// columns are dropped, as "valid" pooling does. Layout NHWC, fp32. Thread-safe; no allocation. Callers split `images`
// over threads.
#pragma once

#include <cstdint>

namespace fer_ddp {

struct PoolShape {
  int64_t images, height, width, channels;  // of the input
  [[nodiscard]] int64_t pooled_height() const { return height / 2; }
  [[nodiscard]] int64_t pooled_width() const { return width / 2; }
  [[nodiscard]] int64_t input_size() const { return images * height * width * channels; }
  [[nodiscard]] int64_t pooled_size() const { return images * pooled_height() * pooled_width() * channels; }
};

// `pooled` and `winner` hold pooled_size() elements; winner is 0 to 3 for the element of the window in row-major order,
// 4 for none.
void relu_max_pool_forward(const float* input, const PoolShape& shape, float* pooled, uint8_t* winner);

// Writes all of `input_gradient` (input_size() elements).
void relu_max_pool_backward(const float* pooled_gradient, const uint8_t* winner, const PoolShape& shape,
                            float* input_gradient);

}  // namespace fer_ddp
