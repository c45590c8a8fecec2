#include "data/share_images.h"

#include <array>

#include "core/error.h"
#include "data/affine_sample.h"

namespace fer_ddp {

ShareImages::ShareImages(const BatchShare& share, PixelScale scale, double label_smoothing)
    : share_(share),
      scale_(scale),
      label_smoothing_(label_smoothing * share.recipe.smoothing_share),
      changes_images_(share.recipe.augmentation.changes_images()),
      mixing_(draw_batch_mixing(share.recipe.augmentation, share.recipe.seed, share.epoch, share.batch_position)) {
  if (mixing_.is_on() && static_cast<int64_t>(share.batch_rows.size()) != share.global_images)
    throw machine_error("images are to be mixed, but the rows of the global batch are not known");
  if (share.teachers.are_on() && share.teachers.probabilities.size() != share.rows.size() * kExpressionCount)
    throw machine_error("there are teachers, but not what they say of each image");
}

ShareImages::DrawnImage ShareImages::drawn_at(int64_t row, int64_t place) const {
  if (!changes_images_) return {.row = row};
  const ImageRecipe& recipe = share_.recipe;
  return {row, draw_image_change(recipe.augmentation, recipe.seed, share_.epoch, share_.batch_position + place)};
}

ShareImages::DrawnImage ShareImages::drawn(int64_t index) const {
  return drawn_at(share_.rows[static_cast<size_t>(index)], place_of(index));
}

ShareImages::DrawnImage ShareImages::drawn_partner(int64_t index) const {
  const int64_t partner = partner_of(place_of(index));
  return drawn_at(share_.batch_rows[static_cast<size_t>(partner)], partner);
}

void ShareImages::write_unmixed(const DrawnImage& image, float* pixels) const {
  const uint8_t* bytes = share_.images.data() + image.row * kImagePixels;
  if (changes_images_)
    change_image(image.change, scale_, bytes, pixels);
  else
    scale_image(scale_, bytes, pixels);
}

void ShareImages::write(int64_t index, float* pixels) const {
  write_unmixed(drawn(index), pixels);
  if (!mixing_.is_on()) return;
  std::array<float, kImagePixels> other;  // NOLINT(cppcoreguidelines-pro-type-member-init): all of it is written
  write_unmixed(drawn_partner(index), other.data());
  mix_images(mixing_, pixels, other.data(), pixels);
}

int ShareImages::label_at(int64_t place) const {
  return share_.labels[static_cast<size_t>(share_.batch_rows[static_cast<size_t>(place)])];
}

int ShareImages::label(int64_t index) const {
  if (mixing_.is_on() && mixing_.weight < 0.5F) return label_at(partner_of(place_of(index)));
  return share_.labels[static_cast<size_t>(share_.rows[static_cast<size_t>(index)])];
}

void ShareImages::write_target(int64_t index, float* probabilities) const {
  const int own = share_.labels[static_cast<size_t>(share_.rows[static_cast<size_t>(index)])];
  const int partner = mixing_.is_on() ? label_at(partner_of(place_of(index))) : own;
  const auto weight = static_cast<double>(mixing_.weight);
  for (int i = 0; i < kExpressionCount; ++i) {
    const double share = (i == own ? weight : 0.0) + (i == partner ? 1.0 - weight : 0.0);
    probabilities[i] = static_cast<float>(share * (1.0 - label_smoothing_) + label_smoothing_ / kExpressionCount);
  }
  if (share_.teachers.are_on()) add_teachers(index, probabilities);
}

void ShareImages::add_teachers(int64_t index, float* probabilities) const {
  const double theirs = has_softened_part() ? 0.0 : share_.teachers.weight;
  for (int i = 0; i < kExpressionCount; ++i)
    probabilities[i] = static_cast<float>((1.0 - share_.teachers.weight) * static_cast<double>(probabilities[i]) +
                                          theirs * static_cast<double>(teachers_of(index)[i]));
}

}  // namespace fer_ddp
