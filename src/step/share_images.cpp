#include "step/share_images.h"

#include "core/expressions.h"
#include "data/affine_sample.h"

namespace fer_ddp {

ShareImages::ShareImages(const BatchShare& share, PixelScale scale, double label_smoothing)
    : share_(share), scale_(scale), label_smoothing_(label_smoothing) {}

void ShareImages::write(int64_t index, float* pixels) const {
  const int64_t row = share_.rows[static_cast<size_t>(index)];
  scale_image(scale_, share_.images.data() + row * kImagePixels, pixels);
}

int ShareImages::label(int64_t index) const {
  return share_.labels[static_cast<size_t>(share_.rows[static_cast<size_t>(index)])];
}

void ShareImages::write_target(int64_t index, float* probabilities) const {
  const int expected = label(index);
  for (int i = 0; i < kExpressionCount; ++i)
    probabilities[i] =
        static_cast<float>((i == expected ? 1.0 - label_smoothing_ : 0.0) + label_smoothing_ / kExpressionCount);
}

}  // namespace fer_ddp
