#include "step/input_images.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include "core/expressions.h"
#include "data/affine_sample.h"

namespace fer_ddp {

at::Tensor input_images(int64_t count, const std::function<void(int64_t, float*)>& write) {
  at::Tensor rows = at::empty({count, kImagePixels}, at::kFloat);
  float* out = rows.data_ptr<float>();
  at::parallel_for(0, count, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) write(i, out + i * kImagePixels);
  });
  return as_input(rows);
}

at::Tensor input_images(PixelScale scale, int64_t count, const std::function<const uint8_t*(int64_t)>& gather) {
  return input_images(count, [&](int64_t i, float* pixels) { scale_image(scale, gather(i), pixels); });
}

at::Tensor input_images(PixelScale scale, const at::Tensor& bytes) {
  at::Tensor rows = bytes.to(at::kFloat).view({bytes.size(0), kImagePixels}).div_(255.0F);
  if (scale == PixelScale::kStandardizeImage) {
    const at::Tensor mean = rows.mean(1, true);
    const at::Tensor deviation = rows.std(1, true, true).add_(kStandardizeOffset);
    rows = rows.sub_(mean).div_(deviation);
  }
  return as_input(rows);
}

at::Tensor as_input(const at::Tensor& rows) {
  return rows.as_strided({rows.size(0), 1, kImageSide, kImageSide}, {kImagePixels, 1, kImageSide, 1});
}

}  // namespace fer_ddp
