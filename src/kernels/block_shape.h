// The size of one block of a network's kind: 3 x 3 convolution without padding, ReLU, 2 x 2 max-pooling. Activations
// are fp32 [height][width][channels]; a pooled value's winner is uint8: which of its window's four (row by row) was the
// largest, or 4 where ReLU left nothing.
#pragma once

#include <cstdint>

namespace fer_ddp {

struct BlockShape {
  int height = 0;  // of the input
  int width = 0;
  int input_channels = 0;
  int output_channels = 0;

  [[nodiscard]] constexpr int pooled_height() const { return (height - 2) / 2; }
  [[nodiscard]] constexpr int pooled_width() const { return (width - 2) / 2; }
  [[nodiscard]] constexpr int64_t input_size() const { return int64_t{height} * width * input_channels; }
  [[nodiscard]] constexpr int64_t pooled_size() const {
    return int64_t{pooled_height()} * pooled_width() * output_channels;
  }
  [[nodiscard]] constexpr int64_t weights() const { return int64_t{9} * input_channels * output_channels; }
};

}  // namespace fer_ddp
