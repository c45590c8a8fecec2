// What a step reads, in a device's memory: all images and labels, the epoch's order, which values dropout keeps, and
// where images are augmented or mixed, what the device's own kernels make the share's of, or without such, the images
// and targets as the host makes them. Dropout that takes much memory comes a part of an epoch at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "core/config.h"
#include "core/pixel_scale.h"
#include "data/dataset.h"
#include "data/sampler.h"
#include "data/share_images.h"
#include "model/model.h"
#include "step/device/changed_image_feed.h"
#include "step/device/device_kernels.h"
#include "step/device/step_numbers.h"

namespace fer_ddp {

class DeviceFeed {
 public:
  struct Split {
    at::Tensor images;       // uint8 [n, 48, 48]
    at::Tensor labels;       // int64 [n]
    at::Tensor label_bytes;  // uint8 [n]
  };

  // `scales`: how the networks, the model's and its teachers', take their images in; has_kernels: the device's own
  // change them. The model, on the host, draws what dropout keeps; it and the dataset outlive this.
  DeviceFeed(const Dataset& dataset, const Model& model, const Config& config, std::vector<PixelScale> scales,
             at::Device device, bool has_kernels);

  // Recorded work knows the tensors' places: their content is replaced, never they themselves.
  void begin_epoch(int epoch, std::span<const int32_t> order);
  // Before a step: what it reads, and its numbers but for the optimizer's. Nothing is uploaded yet of the numbers.
  void feed(const BatchShare& share, StepNumbers& numbers);

  [[nodiscard]] const Split& split(fer_ddp::Split which) const { return splits_[which]; }
  [[nodiscard]] const at::Tensor& order() const { return order_; }  // int32 [rows]: the epoch's row at each position
  // Where the device's kernels change a step's images: labels, targets and the images as the model's network takes them
  // in; null: they do not, or the images stay as they are.
  [[nodiscard]] const ChangedImageFeed* changed_images() const;
  // Does so, for all networks; nothing where they do not. May be recorded.
  void change_images(DeviceKernels& kernels, int64_t images) const;
  // Whether the host makes a step's images; then targets fp32 [a share's most, 7] and labels int64 [a share's most] are
  // here.
  [[nodiscard]] bool feeds_images() const { return changes_images_ && !has_kernels_; }
  [[nodiscard]] const at::Tensor& fed_targets() const { return fed_targets_; }
  [[nodiscard]] const at::Tensor& fed_labels() const { return fed_labels_; }
  // A step's images for kernels, and for LibTorch's operators, fp32 [images, 1, 48, 48] of these rows of the training
  // split.
  [[nodiscard]] ImageSource source(PixelScale scale, const StepNumbers& numbers) const;
  [[nodiscard]] at::Tensor input(PixelScale scale, const at::Tensor& rows) const;
  // int32 [images]: the rows of a step's images.
  [[nodiscard]] at::Tensor rows(const StepNumbers& numbers, int64_t images) const;
  // uint8 [rows, units], by position from StepNumbers::kKeptRow's; undefined without dropout.
  [[nodiscard]] const at::Tensor& kept_units() const { return kept_units_; }

 private:
  void make_room_for_images(int64_t most);
  void feed_images(const BatchShare& share);
  void provide_kept_units(int64_t first_position, int64_t images);

  const Model& model_;
  Config config_;
  at::Device device_;
  std::vector<PixelScale> scales_;
  bool changes_images_;
  bool has_kernels_;
  SplitView training_;  // on the host
  PerSplit<Split> splits_;
  at::Tensor order_;
  std::map<PixelScale, ChangedImageFeed> changed_images_;
  std::map<PixelScale, at::Tensor> fed_pixels_;  // fp32 [a share's most, 48 * 48], as a network takes them in
  at::Tensor fed_targets_, fed_labels_;
  int epoch_ = 0;
  PositionRange kept_range_{0, 0};  // positions of the epoch that kept_units_ knows
  at::Tensor kept_units_;
};

}  // namespace fer_ddp
