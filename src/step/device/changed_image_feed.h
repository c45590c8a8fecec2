// What a device's own kernels make a step's images of where a recipe changes or mixes them (changed_images.h), and what
// the network shall say of them: drawn and written on the host, and brought over by one copy a step that nothing waits
// for. The images are data/share_images.h's, to the bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/pixel_scale.h"
#include "data/affine_sample.h"
#include "data/dataset.h"
#include "data/share_images.h"
#include "step/device/changed_images.h"
#include "step/device/step_upload.h"

namespace fer_ddp {

class ChangedImageFeed {
 public:
  // split: the training split, and its images in the device's memory, uint8 [n, 48, 48]. most_images: of a share.
  ChangedImageFeed(const SplitView& split, const at::Tensor& split_images, PixelScale scale, double label_smoothing,
                   int64_t most_images);

  // Before a step. `share` is of the split, and need not outlive the call. Throws Error (our mistake) where it has more
  // images than there may be.
  void feed(const BatchShare& share);

  // Of the device's memory, always at the same places; what the step was fed with. The kernel that makes them of the
  // step's first `images`:
  [[nodiscard]] ChangedImages work(int64_t images) const;
  [[nodiscard]] const at::Tensor& pixels() const { return pixels_; }  // fp32 [most images, 48 * 48]
  [[nodiscard]] const int32_t* labels() const;                        // [images]
  [[nodiscard]] const float* targets() const;                         // [images][kExpressionCount]

 private:
  // Where what begins in a step's bytes. Records come last: of a share that is smaller, less is brought over.
  struct Layout {
    int64_t labels, targets, records, end;
    explicit Layout(int64_t most_images);
  };

  [[nodiscard]] ImageChangeRecord record_of(const ShareImages::DrawnImage& image) const;
  [[nodiscard]] BatchChangeRecord record_of(const ShareImages& images) const;

  PixelScale scale_;
  double label_smoothing_;
  std::vector<PixelMap> maps_;  // by row: the network's scaling
  at::Tensor split_images_;
  at::Tensor pixels_;
  Layout layout_;
  StepUpload upload_;
};

}  // namespace fer_ddp
