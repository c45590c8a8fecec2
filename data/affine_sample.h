// An image's bytes as a network's input: as they are, or sampled through an affine map, as data/augmentation.h draws
// it. By Highway, for the processor's own instruction set; element by element and without fused products, so that every
// instruction set gives the same bits. Pure; thread-safe; no allocation.
#pragma once

#include <array>
#include <cstdint>

#include "core/expressions.h"
#include "core/pixel_scale.h"

namespace fer_ddp {

// The sums of an image's 48 x 48 bytes and of their squares; exact.
struct PixelSums {
  int64_t sum = 0;
  int64_t squares = 0;
};
[[nodiscard]] PixelSums pixel_sums(const uint8_t* pixels);

// The network's input is pixel * gain + offset.
struct PixelMap {
  double gain = 0;
  double offset = 0;
};
[[nodiscard]] PixelMap pixel_map(PixelScale scale, const uint8_t* pixels);

// An image as the network takes it in, nothing changed: 48 x 48 bytes, as many floats. kUnit: the bits of
// float(pixel) / 255.
void scale_image(PixelScale scale, const uint8_t* pixels, float* image);

// image[i] = pixels[i] * gain + offset.
void scale_pixels(const uint8_t* pixels, float gain, float offset, float* image);

// Where an affine map (see ImageChange::source) takes pixels from, in fp32, as samplers walk it on any device: pixel x
// of the row y from the column first_column[y] + column_step * x and the row first_row[y] + row_step * x, counted from
// the image's left and upper edge, half a pixel before the first centres.
struct SampleLines {
  std::array<float, kImageSide> first_column{};
  std::array<float, kImageSide> first_row{};
  float column_step = 0;
  float row_step = 0;
};
[[nodiscard]] SampleLines sample_lines(const std::array<double, 6>& source);

// The same of the image sampled along `lines`, bilinearly, mirrored at its borders: at -0.5 and 47.5 in pixels, as
// often as it takes. With the identity the same bits as scale_pixels.
void sample_pixels(const uint8_t* pixels, const SampleLines& lines, float gain, float offset, float* image);

// blend[i] = weight * image[i] + (1 - weight) * partner[i].
void blend_images(float weight, const float* image, const float* partner, float* blend);

}  // namespace fer_ddp
