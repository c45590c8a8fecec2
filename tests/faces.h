// Images and labels for tests of training steps: noise, or stripes that tell the classes apart; and a data set of them.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "core/expressions.h"
#include "core/random.h"
#include "data/dataset.h"
#include "step/training_step.h"

namespace fer_ddp {

struct Faces {
  std::vector<uint8_t> images;
  std::vector<uint8_t> labels;
  std::vector<int32_t> rows;

  explicit Faces(int count)
      : images(static_cast<size_t>(count) * kImagePixels),
        labels(static_cast<size_t>(count)),
        rows(static_cast<size_t>(count)) {
    std::iota(rows.begin(), rows.end(), 0);
  }

  static Faces noise(int count) {
    Faces faces(count);
    RandomStream random(1, RandomPurpose::kSyntheticFaces, 0);
    for (uint8_t& pixel : faces.images) pixel = static_cast<uint8_t>(random.next() >> 24);
    for (uint8_t& label : faces.labels) label = static_cast<uint8_t>(random.next_below(kExpressionCount));
    return faces;
  }

  // Patches of different greys with noise on them: unlike plain noise, images still differ once they are averaged.
  static Faces patches(int count) {
    constexpr size_t kPatch = 12;  // pixels a side
    Faces faces = noise(count);
    RandomStream random(2, RandomPurpose::kSyntheticFaces, 0);
    for (size_t first = 0; first < faces.images.size(); first += kImagePixels) {
      std::vector<unsigned> greys(kImagePixels / kPatch / kPatch);
      for (unsigned& grey : greys) grey = random.next_below(256);
      for (size_t i = 0; i < kImagePixels; ++i) {
        const size_t patch = i / kImageSide / kPatch * (kImageSide / kPatch) + i % kImageSide / kPatch;
        uint8_t& pixel = faces.images[first + i];
        pixel = static_cast<uint8_t>((3 * greys[patch] + pixel) / 4);
      }
    }
    return faces;
  }

  static Faces stripes(int count) {
    Faces faces(count);
    for (size_t i = 0; i < faces.labels.size(); ++i) {
      faces.labels[i] = static_cast<uint8_t>(i % kExpressionCount);
      for (size_t pixel = 0; pixel < kImagePixels; ++pixel)
        faces.images[i * kImagePixels + pixel] =
            static_cast<uint8_t>((pixel * (faces.labels[i] + 1U) / 7U + i * 13U) % 256U);
    }
    return faces;
  }

  [[nodiscard]] BatchShare batch() const {
    return {.images = images, .labels = labels, .rows = rows, .global_images = static_cast<int64_t>(rows.size())};
  }
};

// Which sees the faces, as one of its splits.
inline Dataset dataset_of(const Faces& faces, Split split = Split::kTrain,
                          const PerSplit<std::vector<int32_t>>& copies = {}) {
  PerSplit<SplitView> splits;
  splits[split] = {.images = faces.images, .labels = faces.labels};
  return {Manifest{}, "faces", "", splits, copies};
}

}  // namespace fer_ddp
