#include "data/augmentation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/random.h"

namespace fer_ddp {

namespace {

constexpr double kCentre = (kImageSide - 1) / 2.0;
constexpr double kMixedBatches = 0.8;     // the rest stays unmixed
constexpr double kWeightSteps = 1 << 16;  // weights of mixing are multiples of 2^-16

// Sine and cosine by their series, whose sums IEEE 754 fixes to the last bit: a C library's own differ from one
// processor to the next. For angles up to a half turn.
struct Rotation {
  double cosine = 0, sine = 0;
  explicit Rotation(double angle) {
    double term = 1;
    for (int n = 0; n < 32; n += 4) {
      cosine += term;
      term *= angle / (n + 1);
      sine += term;
      term *= angle / (n + 2);
      cosine -= term;
      term *= angle / (n + 3);
      sine -= term;
      term *= angle / (n + 4);
    }
  }
};

// Numbers of a stream by their places in it, which never change.
class Draws {
 public:
  Draws(uint64_t seed, RandomPurpose purpose, int epoch, int64_t position)
      : stream_(seed, purpose, static_cast<uint32_t>(epoch), static_cast<uint64_t>(position)) {}

  [[nodiscard]] double share() { return static_cast<double>(stream_.next_uniform()); }   // in [0, 1)
  [[nodiscard]] double to_either_side(double most) { return (2 * share() - 1) * most; }  // in [-most, most)
  [[nodiscard]] double place() { return share() * kImageSide; }                          // in [0, 48)

 private:
  RandomStream stream_;
};

// Around the image's centre: scaled, turned, then shifted.
std::array<double, 6> source_of(double width_scale, double height_scale, double angle, double across, double down) {
  const Rotation turn(angle);
  const double m0 = turn.cosine * width_scale;
  const double m1 = -turn.sine * height_scale;
  const double m3 = turn.sine * width_scale;
  const double m4 = turn.cosine * height_scale;
  return {m0, m1, kCentre + across - (m0 + m1) * kCentre, m3, m4, kCentre + down - (m3 + m4) * kCentre};
}

// The pixels whose places 0, 1, .. 47 are nearer to `centre` than half a side.
void cover(double centre, double side, int& begin, int& end) {
  begin = std::max(0, static_cast<int>(std::floor(centre - side / 2)) + 1);
  end = std::min(kImageSide, static_cast<int>(std::ceil(centre + side / 2)));
  end = std::max(begin, end);
}

PixelBox box_around(double row, double column, double side) {
  PixelBox box;
  cover(row, side, box.top, box.bottom);
  cover(column, side, box.left, box.right);
  return box;
}

// The logarithm of a number from the gamma distribution (Marsaglia and Tsang, "A simple method for generating gamma
// variables", 2000), which for small shapes would underflow itself.
double log_gamma_variable(double shape, Draws& draws) {
  const double boosted = shape < 1 ? shape + 1 : shape;
  const double d = boosted - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  double log_value = 0;
  for (;;) {
    const double radius = std::sqrt(-2 * std::log(1 - draws.share()));  // a normal variable, by Box and Muller
    const double normal = radius * std::cos(2 * std::numbers::pi * draws.share());
    const double root = 1 + c * normal;
    const double log_share = std::log(1 - draws.share());
    if (root <= 0) continue;
    const double cube = root * root * root;
    if (log_share >= normal * normal / 2 + d - d * cube + d * std::log(cube)) continue;
    log_value = std::log(d * cube);
    break;
  }
  // The smallest shapes' logarithms would be infinite.
  return shape < 1 ? std::max(log_value + std::log(1 - draws.share()) / shape, -1e300) : log_value;
}

// Draws from the beta distribution whose parameters are both the same.
double beta_variable(double shape, Draws& draws) {
  const double first = log_gamma_variable(shape, draws);
  const double second = log_gamma_variable(shape, draws);
  return 1 / (1 + std::exp(second - first));
}

template <typename Row>
void for_each_row(const PixelBox& box, const Row& row) {
  for (int y = box.top; y < box.bottom; ++y) row(y * kImageSide + box.left, box.right - box.left);
}

}  // namespace

ImageChange draw_image_change(const AugmentationOptions& options, uint64_t seed, int epoch, int64_t position) {
  Draws draws(seed, RandomPurpose::kAugmentation, epoch, position);
  const double mirrored = draws.share() < options.flip ? -1 : 1;
  const double angle = draws.to_either_side(options.rotation) * std::numbers::pi / 180;
  const double scale = 1 + draws.to_either_side(options.scale);
  const double width_scale = scale * (1 + draws.to_either_side(options.aspect)) * mirrored;
  const double across = draws.to_either_side(options.shift);
  const double down = draws.to_either_side(options.shift);
  ImageChange change;
  change.source = source_of(width_scale, scale, angle, across, down);
  change.contrast = 1 + draws.to_either_side(options.contrast);
  change.brightness = draws.to_either_side(options.brightness);
  const bool is_erased = draws.share() < options.erase_share;
  const double row = draws.place();
  const double column = draws.place();
  if (is_erased) change.erased = box_around(row, column, options.erase_side);
  return change;
}

PixelMap changed_map(const ImageChange& change, const PixelMap& scaling) {
  return {scaling.gain * change.contrast, scaling.offset * change.contrast + change.brightness};
}

void change_image(const ImageChange& change, PixelScale scale, const uint8_t* pixels, float* image) {
  const PixelMap map = changed_map(change, pixel_map(scale, pixels));
  const auto gain = static_cast<float>(map.gain);
  const auto offset = static_cast<float>(map.offset);
  if (change.source == ImageChange{}.source)
    scale_pixels(pixels, gain, offset, image);
  else
    sample_pixels(pixels, sample_lines(change.source), gain, offset, image);
  for_each_row(change.erased, [&](int begin, int count) { std::fill_n(image + begin, count, 0.0F); });
}

BatchMixing draw_batch_mixing(const AugmentationOptions& options, uint64_t seed, int epoch, int64_t batch_position) {
  if (!options.mixes_images()) return {};
  Draws draws(seed, RandomPurpose::kMixing, epoch, batch_position);
  const bool is_mixed = draws.share() < kMixedBatches;
  const bool is_first_half = draws.share() < 0.5;
  const double row = draws.place();
  const double column = draws.place();
  if (!is_mixed) return {};
  BatchMixing mixing;
  mixing.is_cut = options.cutmix > 0 && (options.mixup == 0 || is_first_half);
  const double weight = beta_variable(mixing.is_cut ? options.cutmix : options.mixup, draws);
  // Rounded, so that what differs in the last bits of two machines' logarithms does not show.
  mixing.weight = static_cast<float>(std::nearbyint(weight * kWeightSteps) / kWeightSteps);
  if (mixing.is_cut) {
    mixing.cut = box_around(row, column, kImageSide * std::sqrt(1 - static_cast<double>(mixing.weight)));
    mixing.weight = 1.0F - static_cast<float>(mixing.cut.area()) / static_cast<float>(kImagePixels);
  }
  return mixing;
}

void mix_images(const BatchMixing& mixing, const float* image, const float* partner, float* mixed) {
  if (!mixing.is_cut) {
    blend_images(mixing.weight, image, partner, mixed);
    return;
  }
  std::array<float, kImagePixels> result{};
  std::copy_n(image, kImagePixels, result.data());
  for_each_row(mixing.cut, [&](int begin, int count) { std::copy_n(partner + begin, count, result.data() + begin); });
  std::copy_n(result.data(), kImagePixels, mixed);
}

}  // namespace fer_ddp
