// What training changes in an image, drawn anew each epoch, and an image as the network sees it. In this order, as the
// field has it:
//
//   pixel / 255;  the network's input (as it is, or standardised);  one affine sample;  contrast and brightness;  a
//   square set to 0;  two images mixed
//
// Flip, rotation, scale, aspect and shift are one matrix, made in fp64, so that an image is sampled once, bilinearly;
// beyond its border it is mirrored. Everything random is keyed by (seed, purpose, epoch, position): an image's numbers
// are the same at any world size, thread count and after any resume, and each comes from a place of its own in the
// stream, so that switching one thing on moves no other's. An image's values are fp32, never rounded to bytes, and the
// same bits on every instruction set: products and sums are never fused. Pure; thread-safe; no allocation.
#pragma once

#include <array>
#include <cstdint>

#include "core/augmentation_options.h"
#include "core/expressions.h"
#include "core/pixel_scale.h"
#include "data/affine_sample.h"

namespace fer_ddp {

// Rows and columns of pixels, half-open.
struct PixelBox {
  int top = 0, bottom = 0, left = 0, right = 0;
  [[nodiscard]] int area() const { return (bottom - top) * (right - left); }
  friend bool operator==(const PixelBox&, const PixelBox&) = default;
};

// What happens to one image; as it is made, nothing.
struct ImageChange {
  // Pixel (column x, row y) is taken from the column m[0] x + m[1] y + m[2] and the row m[3] x + m[4] y + m[5]; the
  // centres of pixels have whole numbers.
  std::array<double, 6> source = {1, 0, 0, 0, 1, 0};
  double contrast = 1;
  double brightness = 0;
  PixelBox erased{};
};

// `position`: the image's, in the epoch's order.
[[nodiscard]] ImageChange draw_image_change(const AugmentationOptions& options, uint64_t seed, int epoch,
                                            int64_t position);

// What a changed image's samples are multiplied by and what is added: its contrast and brightness upon the network's
// own scaling of that image.
[[nodiscard]] PixelMap changed_map(const ImageChange& change, const PixelMap& scaling);

// pixels: 48 x 48 bytes; writes as many floats.
void change_image(const ImageChange& change, PixelScale scale, const uint8_t* pixels, float* image);

// How the images of one global batch are mixed, each with the one at the position before it; the first one's partner is
// the last.
struct BatchMixing {
  float weight = 1;     // of the image and its label; the partner has the rest
  bool is_cut = false;  // the partner's part is `cut`, not a share of each pixel
  PixelBox cut{};
  [[nodiscard]] bool is_on() const { return weight < 1; }
};

// `batch_position`: of the global batch's first image, in the epoch's order.
[[nodiscard]] BatchMixing draw_batch_mixing(const AugmentationOptions& options, uint64_t seed, int epoch,
                                            int64_t batch_position);

// 48 x 48 floats each; `mixed` may be `image` or `partner`.
void mix_images(const BatchMixing& mixing, const float* image, const float* partner, float* mixed);

}  // namespace fer_ddp
