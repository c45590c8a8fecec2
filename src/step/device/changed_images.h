// A step's images where a recipe changes or mixes them, as a device's own kernel makes them: the host draws
// (data/augmentation.h) and writes a small record an image, the kernel does with the split's bytes, to the bit, what
// the host would.
//
// What an image costs: 412 bytes from the host, and 32 of its target and label; in the device's memory the record and
// 2,304 bytes of pixels read, the same of its partner where images are mixed, and 9,216 bytes written, which the first
// convolution reads forward and backward. No torch here, nor CUDA.
#pragma once

#include <cstdint>

namespace fer_ddp {

// Rows and columns of pixels, half-open.
struct PixelArea {
  int16_t top = 0, bottom = 0, left = 0, right = 0;
};

// What happens to one image.
struct ImageChangeRecord {
  float first_column[48] = {};  // as SampleLines (data/affine_sample.h)
  float first_row[48] = {};
  float column_step = 0;
  float row_step = 0;
  float gain = 1;  // a value is sample * gain + offset
  float offset = 0;
  int32_t row = 0;     // of the split
  PixelArea erased{};  // set to 0
};

// What happens to all images of a batch.
struct BatchChangeRecord {
  float weight = 1;    // of the image; below 1, the one before it in the batch has the rest
  int32_t is_cut = 0;  // the rest is `cut`, not a share of each pixel
  PixelArea cut{};
  int32_t is_divided = 0;  // a value is sample / 255 instead, which may differ in the last bit
};

// pixels[i]: the image of records[i + 1], mixed with that of records[i], which is looked at in mixed batches alone.
struct ChangedImages {
  int images = 0;
  const uint8_t* split_images = nullptr;       // [rows][48 * 48], 16-byte aligned
  const BatchChangeRecord* batch = nullptr;    // [1]
  const ImageChangeRecord* records = nullptr;  // [images + 1]
  float* pixels = nullptr;                     // [images][48 * 48]
};

}  // namespace fer_ddp
