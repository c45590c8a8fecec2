// What training changes in its images, as the configuration says it: a preset's numbers, single keys in their place,
// and what the last, gentle epochs leave of them. How an image is changed is data/augmentation's. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"

namespace fer_ddp {

// All zero: images stay as they are. "To either side": drawn evenly from -value to value.
struct AugmentationOptions {
  double flip = 0;         // share of the images that are mirrored
  double rotation = 0;     // degrees, to either side
  double scale = 0;        // of 1, to either side
  double aspect = 0;       // of 1, to either side: how much more the width is scaled than the height
  double shift = 0;        // pixels, to either side, down and across by themselves
  double contrast = 0;     // of 1, to either side: what an image's values are multiplied by
  double brightness = 0;   // to either side: what is added to them, in the unit of the network's input
  double erase_side = 0;   // pixels: side of a square that is set to 0
  double erase_share = 0;  // of the images that lose such a square
  double mixup = 0;        // both parameters of the beta distribution that a batch's weight is drawn from; 0: off
  double cutmix = 0;       // the same, where a rectangle is exchanged

  [[nodiscard]] bool changes_images() const;  // each by itself
  [[nodiscard]] bool mixes_images() const { return mixup > 0 || cutmix > 0; }
  [[nodiscard]] bool is_on() const { return changes_images() || mixes_images(); }
  friend bool operator==(const AugmentationOptions&, const AugmentationOptions&) = default;
};

// The options of all epochs before the last, gentle ones.
[[nodiscard]] AugmentationOptions augmentation_options(const Config& config);

// "flip 50 %, rotation 12 degrees, ...": what is on, by the options' names; empty: nothing.
[[nodiscard]] std::string augmentation_words(const AugmentationOptions& options);

// How the images of one epoch are changed, and what they are held against.
struct ImageRecipe {
  AugmentationOptions augmentation{};
  double smoothing_share = 1;  // of label_smoothing
  uint64_t seed = 0;           // of everything that is drawn
};

// `epoch`: from 0; the last config.finish_epochs of config.epochs are the gentle ones.
[[nodiscard]] ImageRecipe image_recipe(const Config& config, int epoch);

// Whether some epoch changes its images or softens its targets by itself: targets are not those of the labels alone.
[[nodiscard]] bool has_image_recipe(const Config& config);

}  // namespace fer_ddp
