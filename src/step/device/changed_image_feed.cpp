#include "step/device/changed_image_feed.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "core/error.h"

namespace fer_ddp {

namespace {

constexpr int64_t kImagesAtOnce = 128;  // enough for a thread to be worth waking

constexpr int64_t aligned(int64_t place) { return (place + 63) / 64 * 64; }

PixelArea area_of(const PixelBox& box) {
  return {.top = static_cast<int16_t>(box.top),
          .bottom = static_cast<int16_t>(box.bottom),
          .left = static_cast<int16_t>(box.left),
          .right = static_cast<int16_t>(box.right)};
}

}  // namespace

// The batch's record is at 0.
ChangedImageFeed::Layout::Layout(int64_t most_images)
    : labels(aligned(sizeof(BatchChangeRecord))),
      targets(aligned(labels + most_images * static_cast<int64_t>(sizeof(int32_t)))),
      records(aligned(targets + most_images * kExpressionCount * static_cast<int64_t>(sizeof(float)))),
      end(records + (most_images + 1) * static_cast<int64_t>(sizeof(ImageChangeRecord))) {}

ChangedImageFeed::ChangedImageFeed(const SplitView& split, const at::Tensor& split_images, PixelScale scale,
                                   double label_smoothing, int64_t most_images)
    : scale_(scale),
      label_smoothing_(label_smoothing),
      split_images_(split_images),
      pixels_(at::zeros({most_images, kImagePixels}, split_images.options().dtype(at::kFloat))),
      layout_(most_images),
      upload_(layout_.end, split_images.device()) {
  maps_.reserve(static_cast<size_t>(split.size()));
  for (int64_t row = 0; row < split.size(); ++row)
    maps_.push_back(pixel_map(scale, split.images.data() + row * kImagePixels));
}

ImageChangeRecord ChangedImageFeed::record_of(const ShareImages::DrawnImage& image) const {
  const SampleLines lines = sample_lines(image.change.source);
  const PixelMap map = changed_map(image.change, maps_[static_cast<size_t>(image.row)]);
  ImageChangeRecord record{.column_step = lines.column_step,
                           .row_step = lines.row_step,
                           .gain = static_cast<float>(map.gain),
                           .offset = static_cast<float>(map.offset),
                           .row = static_cast<int32_t>(image.row),
                           .erased = area_of(image.change.erased)};
  std::copy(lines.first_column.begin(), lines.first_column.end(), std::begin(record.first_column));
  std::copy(lines.first_row.begin(), lines.first_row.end(), std::begin(record.first_row));
  return record;
}

BatchChangeRecord ChangedImageFeed::record_of(const ShareImages& images) const {
  const BatchMixing& mixing = images.mixing();
  return {.weight = mixing.weight,
          .is_cut = mixing.is_cut ? 1 : 0,
          .cut = area_of(mixing.cut),
          .is_divided = !images.changes_images() && scale_ == PixelScale::kUnit ? 1 : 0};
}

void ChangedImageFeed::feed(const BatchShare& share) {
  const ShareImages images(share, scale_, label_smoothing_);
  if (images.count() == 0) return;
  if (images.count() > pixels_.size(0))
    throw machine_error(
        fmt::format("{} images are to be changed, but there is room for {}", images.count(), pixels_.size(0)));
  uint8_t* place = upload_.place();
  const BatchChangeRecord batch = record_of(images);
  std::memcpy(place, &batch, sizeof(batch));
  auto* labels = reinterpret_cast<int32_t*>(place + layout_.labels);
  auto* targets = reinterpret_cast<float*>(place + layout_.targets);
  auto* records = reinterpret_cast<ImageChangeRecord*>(place + layout_.records);
  if (images.is_mixed()) records[0] = record_of(images.drawn_partner(0));
  at::parallel_for(0, images.count(), kImagesAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      labels[i] = images.label(i);
      images.write_target(i, targets + i * kExpressionCount);
      records[i + 1] = record_of(images.drawn(i));
    }
  });
  upload_.send(layout_.records + (images.count() + 1) * static_cast<int64_t>(sizeof(ImageChangeRecord)));
}

ChangedImages ChangedImageFeed::work(int64_t images) const {
  const uint8_t* arrived = upload_.arrived().const_data_ptr<uint8_t>();
  return {.images = static_cast<int>(images),
          .split_images = split_images_.const_data_ptr<uint8_t>(),
          .batch = reinterpret_cast<const BatchChangeRecord*>(arrived),
          .records = reinterpret_cast<const ImageChangeRecord*>(arrived + layout_.records),
          .pixels = pixels_.data_ptr<float>()};
}

const int32_t* ChangedImageFeed::labels() const {
  return reinterpret_cast<const int32_t*>(upload_.arrived().const_data_ptr<uint8_t>() + layout_.labels);
}

const float* ChangedImageFeed::targets() const {
  return reinterpret_cast<const float*>(upload_.arrived().const_data_ptr<uint8_t>() + layout_.targets);
}

}  // namespace fer_ddp
