// The first global batch of an epoch, each image as it is stored and as the network sees it: people check augmentation
// by looking. Rows come in training's order and are changed by ShareImages, as in training; they are read one by one,
// from shards or from the input file itself, so that no split is held in memory.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/augmentation_options.h"
#include "core/config.h"
#include "core/expressions.h"
#include "core/pixel_scale.h"
#include "data/augmentation.h"
#include "data/image_rows.h"
#include "data/importer.h"
#include "data/manifest.h"

namespace fer_ddp {

// The training split, wherever it is.
struct TrainingRows {
  int64_t count = 0;
  // Reads rows of the split (ascending) into as many of `into`. Throws Error (the user's fault) where one is damaged.
  std::function<void(std::span<const int32_t> rows, const ImageRowsView& into)> read;
};

// Reads from shards, which are checked as they are opened.
[[nodiscard]] TrainingRows training_rows(const std::filesystem::path& shards, const Manifest& manifest);

// Reads from an input file; `source_rows` are those of its training split. The importer outlives this.
[[nodiscard]] TrainingRows training_rows(const Importer& importer, const std::vector<int32_t>& source_rows);

struct BatchPreview {
  using Image = std::array<uint8_t, kImagePixels>;

  std::vector<Image> stored{};
  std::vector<Image> seen{};  // drawn by grey_of()
  int64_t batch_images = 0;   // of the whole global batch
  BatchMixing mixing{};       // the batch's
};

// The first `images` images of the batch, all of them where it has fewer. `epoch`: from 0.
[[nodiscard]] BatchPreview preview_first_batch(const TrainingRows& rows, const Config& config, PixelScale scale,
                                               int epoch, int64_t images);

// How a value of the network's input is drawn: black to white is 0 to 1, or, of kStandardizeImage, -kGreyReach to
// kGreyReach. What lies beyond is black or white.
inline constexpr double kGreyReach = 2.5;
[[nodiscard]] uint8_t grey_of(PixelScale scale, float value);

// What changes the images of a batch: the recipe's options, and what mixing makes of this batch. Empty: nothing.
[[nodiscard]] std::string change_words(const ImageRecipe& recipe, const BatchMixing& mixing);

}  // namespace fer_ddp
