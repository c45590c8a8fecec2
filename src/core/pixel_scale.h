// What becomes of an image's grey bytes before a network's first layer, as its table says under `input`.
#pragma once

namespace fer_ddp {

enum class PixelScale {
  kUnit,             // x = pixel / 255
  kStandardizeImage  // (x - mean) / (standard deviation + kStandardizeOffset), each image's own, the latter with n - 1
};

inline constexpr double kStandardizeOffset = 0.05;

}  // namespace fer_ddp
