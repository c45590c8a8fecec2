// The images of a rank's share of a batch as the network takes them in, changed as the epoch's recipe says, and what it
// shall say of them: the one place where every engine gets both, so that all of them train on the same. What is drawn
// is keyed by the seed, the epoch and the image's position in its order (data/augmentation.h), so that no image depends
// on which rank makes it. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <span>

#include "core/augmentation_options.h"
#include "core/expressions.h"
#include "core/pixel_scale.h"
#include "data/augmentation.h"

namespace fer_ddp {

// A second target for a share's images, of which the loss has a part (step/teachers.h).
struct TeacherTargets {
  std::span<const float> probabilities{};  // [rows][kExpressionCount], each row's sum is 1
  double weight = 0;                       // 0: there is none
  double temperature = 1;

  [[nodiscard]] bool are_on() const { return weight > 0; }
};

// This rank's share of a global batch.
struct BatchShare {
  std::span<const uint8_t> images;  // the whole split, [n, 48, 48]
  std::span<const uint8_t> labels;  // the whole split
  std::span<const int32_t> rows;    // rows of the split that make the share, in order; may be empty
  int64_t global_images = 0;        // images of the global batch, over all ranks
  int64_t first_position = 0;       // of rows[0] in the epoch's order
  int64_t batch_position = 0;       // of the global batch's first image
  int epoch = 0;
  std::span<const int32_t> batch_rows{};  // of the whole global batch; where the recipe mixes images
  ImageRecipe recipe{};                   // the epoch's
  TeacherTargets teachers{};
};

class ShareImages {
 public:
  // `share` outlives this. Throws Error (our mistake) where images are to be mixed and the batch's rows are not there.
  ShareImages(const BatchShare& share, PixelScale scale, double label_smoothing);

  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(share_.rows.size()); }

  // The share's image at `index`: 48 x 48 fp32.
  void write(int64_t index, float* pixels) const;

  // What write() is to do, for those that do it elsewhere: the image's row of the split and what is drawn for it, and
  // the same of the image that it is mixed with where is_mixed().
  struct DrawnImage {
    int64_t row = 0;
    ImageChange change{};
  };
  [[nodiscard]] DrawnImage drawn(int64_t index) const;
  [[nodiscard]] DrawnImage drawn_partner(int64_t index) const;
  // Whether single images are change_image()'s, not scale_image()'s.
  [[nodiscard]] bool changes_images() const { return changes_images_; }

  // Its expression, as accuracy is counted: where two images are mixed, that of the one with the larger weight.
  [[nodiscard]] int label(int64_t index) const;

  // What cross-entropy is taken against: [kExpressionCount], adding up to target_sum(). The probabilities of all
  // expressions, those of teachers at temperature 1 among them; without the part of teachers at another temperature.
  void write_target(int64_t index, float* probabilities) const;
  [[nodiscard]] double target_sum() const { return has_softened_part() ? 1.0 - share_.teachers.weight : 1.0; }

  // Whether there is a part of the loss at the teachers' own temperature: against [kExpressionCount] of an image.
  [[nodiscard]] bool has_softened_part() const { return share_.teachers.are_on() && share_.teachers.temperature != 1; }
  [[nodiscard]] const TeacherTargets& teachers() const { return share_.teachers; }
  [[nodiscard]] const float* teachers_of(int64_t index) const {
    return share_.teachers.probabilities.data() + index * kExpressionCount;
  }

  // How the images of the global batch are mixed, and whether: then targets are those of two images.
  [[nodiscard]] const BatchMixing& mixing() const { return mixing_; }
  [[nodiscard]] bool is_mixed() const { return mixing_.is_on(); }
  // Whether they are given by write_target() alone. Else they are the label's, smoothed by label_smoothing().
  [[nodiscard]] bool has_targets() const { return is_mixed() || share_.teachers.are_on(); }
  [[nodiscard]] double label_smoothing() const { return label_smoothing_; }

 private:
  // Places are counted in the global batch.
  [[nodiscard]] int64_t place_of(int64_t index) const { return share_.first_position - share_.batch_position + index; }
  [[nodiscard]] int64_t partner_of(int64_t place) const { return (place == 0 ? share_.global_images : place) - 1; }
  [[nodiscard]] int label_at(int64_t place) const;
  void add_teachers(int64_t index, float* probabilities) const;
  [[nodiscard]] DrawnImage drawn_at(int64_t row, int64_t place) const;
  void write_unmixed(const DrawnImage& image, float* pixels) const;

  const BatchShare& share_;
  PixelScale scale_;
  double label_smoothing_;
  bool changes_images_;
  BatchMixing mixing_;
};

}  // namespace fer_ddp
