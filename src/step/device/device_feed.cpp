#include "step/device/device_feed.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "step/autograd/autograd_step.h"
#include "step/input_images.h"

namespace fer_ddp {

namespace {

constexpr int64_t kKeptUnitsBytes = int64_t{1} << 26;  // of what dropout keeps, unless a step needs more

at::Tensor bytes_on(at::Device device, std::span<const uint8_t> bytes, at::IntArrayRef shape) {
  const at::Tensor view = at::from_blob(const_cast<uint8_t*>(bytes.data()), shape, at::kByte);
  return view.to(device, view.scalar_type(), false, true);
}

}  // namespace

DeviceFeed::DeviceFeed(const Dataset& dataset, const Model& model, const Config& config, std::vector<PixelScale> scales,
                       at::Device device, bool has_kernels)
    : model_(model),
      config_(config),
      device_(device),
      scales_(std::move(scales)),
      changes_images_(has_image_recipe(config)),
      has_kernels_(has_kernels),
      training_(dataset.split(fer_ddp::Split::kTrain)) {
  for (const fer_ddp::Split split : kSplits) {
    const SplitView& view = dataset.split(split);
    const at::Tensor labels = bytes_on(device, view.labels, {view.size()});
    splits_[split] = {bytes_on(device, view.images, {view.size(), kImageSide, kImageSide}), labels.to(at::kLong),
                      labels};
  }
}

void DeviceFeed::begin_epoch(int epoch, std::span<const int32_t> order) {
  const auto rows = static_cast<int64_t>(order.size());
  if (!order_.defined()) {
    const auto of_type = [this](at::ScalarType type) { return at::TensorOptions(type).device(device_); };
    order_ = at::empty({rows}, of_type(at::kInt));
    const int64_t most = std::min<int64_t>(config_.batch_size, rows);
    if (changes_images_) make_room_for_images(most);
    if (const int64_t units = model_.dropped_units(); units > 0) {
      const int64_t room = std::clamp(kKeptUnitsBytes / units, most, rows);
      kept_units_ = at::empty({room, units}, of_type(at::kByte));
    }
  }
  order_.copy_(at::from_blob(const_cast<int32_t*>(order.data()), {rows}, at::kInt));
  epoch_ = epoch;
  kept_range_ = {0, 0};
}

void DeviceFeed::make_room_for_images(int64_t most) {
  if (has_kernels_) {
    for (const PixelScale scale : scales_)
      changed_images_.try_emplace(scale, training_, splits_[fer_ddp::Split::kTrain].images, scale,
                                  config_.label_smoothing, most);
    return;
  }
  const auto floats = at::TensorOptions(at::kFloat).device(device_);
  for (const PixelScale scale : scales_) fed_pixels_[scale] = at::zeros({most, kImagePixels}, floats);
  fed_targets_ = at::zeros({most, kExpressionCount}, floats);
  fed_labels_ = at::zeros({most}, floats.dtype(at::kLong));
}

void DeviceFeed::feed(const BatchShare& share, StepNumbers& numbers) {
  provide_kept_units(share.first_position, static_cast<int64_t>(share.rows.size()));
  for (auto& [scale, changed] : changed_images_) changed.feed(share);
  if (feeds_images()) feed_images(share);
  numbers.set(StepNumbers::kPosition, static_cast<int32_t>(share.first_position));
  numbers.set(StepNumbers::kKeptRow, static_cast<int32_t>(share.first_position - kept_range_.begin));
  numbers.set(StepNumbers::kLossScale, static_cast<float>(1.0 / static_cast<double>(share.global_images)));
}

const ChangedImageFeed* DeviceFeed::changed_images() const {
  const auto found = changed_images_.find(model_.network().input);
  return found == changed_images_.end() ? nullptr : &found->second;
}

void DeviceFeed::change_images(DeviceKernels& kernels, int64_t images) const {
  for (const auto& [scale, changed] : changed_images_) kernels.change_images(changed.work(images));
}

ImageSource DeviceFeed::source(PixelScale scale, const StepNumbers& numbers) const {
  if (!changed_images_.empty()) return {.pixels = changed_images_.at(scale).pixels().const_data_ptr<float>()};
  return {.split_images = splits_[fer_ddp::Split::kTrain].images.const_data_ptr<uint8_t>(),
          .order = order_.const_data_ptr<int32_t>(),
          .first = numbers.integer_at(StepNumbers::kPosition),
          .scale = scale};
}

at::Tensor DeviceFeed::input(PixelScale scale, const at::Tensor& rows) const {
  if (!changes_images_) return input_images(scale, splits_[fer_ddp::Split::kTrain].images.index_select(0, rows));
  const at::Tensor& pixels = has_kernels_ ? changed_images_.at(scale).pixels() : fed_pixels_.at(scale);
  return as_input(pixels.narrow(0, 0, rows.size(0)));
}

at::Tensor DeviceFeed::rows(const StepNumbers& numbers, int64_t images) const {
  return order_.index_select(0, at::arange(images, order_.options()) + numbers.integer(StepNumbers::kPosition));
}

// Draws what dropout keeps, from the step's first image as far as the memory for it reaches: in most networks that is
// the epoch's end.
void DeviceFeed::provide_kept_units(int64_t first_position, int64_t images) {
  const bool known = kept_range_.begin <= first_position && first_position + images <= kept_range_.end;
  if (!kept_units_.defined() || images == 0 || known) return;
  kept_range_ = {first_position, std::min(first_position + kept_units_.size(0), order_.size(0))};
  const at::Tensor kept = model_.draw_kept_units(epoch_, kept_range_.begin, kept_range_.size());
  kept_units_.narrow(0, 0, kept_range_.size()).copy_(kept);
}

void DeviceFeed::feed_images(const BatchShare& share) {
  const ShareImages taken(share, model_.network().input, config_.label_smoothing);
  const int64_t images = taken.count();
  // All of it first: the device goes on with the steps before while the host is at it.
  std::map<PixelScale, at::Tensor> pixels;
  for (const PixelScale scale : scales_) {
    const ShareImages scaled(share, scale, 0);
    pixels[scale] = input_images(images, [&](int64_t i, float* image) { scaled.write(i, image); });
  }
  const at::Tensor targets = targets_of(taken);
  const at::Tensor labels = labels_of(taken);
  for (const auto& [scale, made] : pixels)
    fed_pixels_.at(scale).narrow(0, 0, images).copy_(made.view({images, kImagePixels}));
  fed_targets_.narrow(0, 0, images).copy_(targets);
  fed_labels_.narrow(0, 0, images).copy_(labels);
}

}  // namespace fer_ddp
