#include "core/augmentation_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace fer_ddp {

namespace {

constexpr double kGentleShift = 2;

AugmentationOptions preset(AugmentPreset name) {
  AugmentationOptions options;
  if (name == AugmentPreset::kNone) return options;
  const bool is_full = name == AugmentPreset::kFull;
  options.flip = 0.5;
  options.rotation = is_full ? 12 : 8;
  options.scale = is_full ? 0.12 : 0.08;
  options.aspect = 0.08;
  options.shift = is_full ? 4 : 3;
  options.contrast = 0.2;
  options.brightness = 0.2;
  options.erase_side = is_full ? 16 : 0;
  options.erase_share = is_full ? 0.5 : 0;
  return options;
}

AugmentationOptions gentle(const AugmentationOptions& options) {
  return {.flip = options.flip,
          .shift = std::min(options.shift, kGentleShift),
          .contrast = options.contrast / 2,
          .brightness = options.brightness / 2};
}

std::string percent(double share) { return fmt::format("{:.4g} %", 100 * share); }

}  // namespace

bool AugmentationOptions::changes_images() const {
  const bool erases = erase_share > 0 && erase_side > 0;
  return flip > 0 || rotation > 0 || scale > 0 || aspect > 0 || shift > 0 || contrast > 0 || brightness > 0 || erases;
}

AugmentationOptions augmentation_options(const Config& config) {
  const AugmentationOptions base = preset(config.augment);
  return {.flip = config.augment_flip.value_or(base.flip),
          .rotation = config.augment_rotation.value_or(base.rotation),
          .scale = config.augment_scale.value_or(base.scale),
          .aspect = config.augment_aspect.value_or(base.aspect),
          .shift = config.augment_shift.value_or(base.shift),
          .contrast = config.augment_contrast.value_or(base.contrast),
          .brightness = config.augment_brightness.value_or(base.brightness),
          .erase_side = config.augment_erase_side.value_or(base.erase_side),
          .erase_share = config.augment_erase_share.value_or(base.erase_share),
          .mixup = config.augment_mixup.value_or(base.mixup),
          .cutmix = config.augment_cutmix.value_or(base.cutmix)};
}

std::string augmentation_words(const AugmentationOptions& options) {
  std::vector<std::string> words;
  const auto add = [&words](double value, std::string_view name, const std::string& amount) {
    if (value > 0) words.push_back(fmt::format("{} {}", name, amount));
  };
  const auto number = [](double value) { return fmt::format("{:.4g}", value); };
  add(options.flip, "flip", percent(options.flip));
  add(options.rotation, "rotation", number(options.rotation) + " degrees");
  add(options.scale, "scale", percent(options.scale));
  add(options.aspect, "aspect", percent(options.aspect));
  add(options.shift, "shift", number(options.shift) + " pixels");
  add(options.contrast, "contrast", percent(options.contrast));
  add(options.brightness, "brightness", number(options.brightness));
  if (options.erase_side > 0)
    add(options.erase_share, "erase",
        fmt::format("a square of {} pixels in {}", number(options.erase_side), percent(options.erase_share)));
  add(options.mixup, "mixup", number(options.mixup));
  add(options.cutmix, "cutmix", number(options.cutmix));
  return fmt::format("{}", fmt::join(words, ", "));
}

ImageRecipe image_recipe(const Config& config, int epoch) {
  const bool is_gentle = epoch >= config.epochs - config.finish_epochs;
  const AugmentationOptions options = augmentation_options(config);
  return {.augmentation = is_gentle ? gentle(options) : options,
          .smoothing_share = is_gentle ? 0.5 : 1,
          .seed = static_cast<uint64_t>(config.random_seed)};
}

bool has_image_recipe(const Config& config) {
  return augmentation_options(config).is_on() || (config.finish_epochs > 0 && config.label_smoothing > 0);
}

}  // namespace fer_ddp
