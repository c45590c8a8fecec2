#include "data/affine_sample.h"

#include <algorithm>
#include <cmath>

#include "core/expressions.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "data/affine_sample.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using IntTag = hn::RebindToSigned<FloatTag>;
using ByteTag = hn::Rebind<uint8_t, IntTag>;
using Floats = hn::Vec<FloatTag>;
using Ints = hn::Vec<IntTag>;

inline constexpr int kLanes = static_cast<int>(hn::MaxLanes(FloatTag()));
static_assert(kImageSide % kLanes == 0);

HWY_INLINE Floats broadcast(float value) { return hn::Set(FloatTag(), value); }
HWY_INLINE Ints load_bytes(const uint8_t* bytes) { return hn::PromoteTo(IntTag(), hn::LoadU(ByteTag(), bytes)); }
HWY_INLINE Floats floats_of(Ints values) { return hn::ConvertTo(FloatTag(), values); }

void sum_pixels(const uint8_t* pixels, PixelSums& sums) {
  Ints sum = hn::Zero(IntTag());
  Ints squares = hn::Zero(IntTag());  // at most 2304 * 255^2: they fit
  for (int i = 0; i < kImagePixels; i += kLanes) {
    const Ints value = load_bytes(pixels + i);
    sum = hn::Add(sum, value);
    squares = hn::Add(squares, hn::Mul(value, value));
  }
  sums.sum = hn::GetLane(hn::SumOfLanes(IntTag(), sum));
  sums.squares = hn::GetLane(hn::SumOfLanes(IntTag(), squares));
}

void scale(const uint8_t* pixels, float gain, float offset, float* image) {
  for (int i = 0; i < kImagePixels; i += kLanes)
    hn::StoreU(hn::Add(hn::Mul(floats_of(load_bytes(pixels + i)), broadcast(gain)), broadcast(offset)), FloatTag(),
               image + i);
}

void divide_by_255(const uint8_t* pixels, float* image) {
  for (int i = 0; i < kImagePixels; i += kLanes)
    hn::StoreU(hn::Div(floats_of(load_bytes(pixels + i)), broadcast(255.0F)), FloatTag(), image + i);
}

void blend(float weight, const float* image, const float* partner, float* out) {
  for (int i = 0; i < kImagePixels; i += kLanes) {
    const Floats own = hn::Mul(hn::LoadU(FloatTag(), image + i), broadcast(weight));
    const Floats other = hn::Mul(hn::LoadU(FloatTag(), partner + i), broadcast(1.0F - weight));
    hn::StoreU(hn::Add(own, other), FloatTag(), out + i);
  }
}

// Each pixel with its neighbours to the right, below, and below to the right, as one 32-bit number, so that a sample is
// one gather. At the right and lower borders neighbours are of no account: no sample lies beyond the last pixel's
// centre.
void pair_neighbours(const uint8_t* pixels, int32_t* quads) {
  HWY_ALIGN uint8_t padded[kImagePixels + kImageSide + 16];
  std::copy_n(pixels, kImagePixels, padded);
  std::fill(padded + kImagePixels, std::end(padded), uint8_t{0});
  for (int i = 0; i < kImagePixels; i += kLanes) {
    const Ints above = hn::Or(load_bytes(padded + i), hn::ShiftLeft<8>(load_bytes(padded + i + 1)));
    const Ints below =
        hn::Or(load_bytes(padded + i + kImageSide), hn::ShiftLeft<8>(load_bytes(padded + i + kImageSide + 1)));
    hn::Store(hn::Or(above, hn::ShiftLeft<16>(below)), IntTag(), quads + i);
  }
}

// `at`: from the image's left or upper edge, in pixels. Returns the same from the first pixel's centre, within the
// image: period 2 * 48, mirrored in its second half, and no farther than the outermost centres.
HWY_INLINE Floats reflect(Floats at) {
  constexpr float kPeriod = 2.0F * kImageSide;
  const Floats periods = hn::Floor(hn::Mul(at, broadcast(1.0F / kPeriod)));
  const Floats within = hn::Sub(at, hn::Mul(periods, broadcast(kPeriod)));
  const Floats mirrored = hn::Min(within, hn::Sub(broadcast(kPeriod), within));
  return hn::Min(hn::Max(hn::Sub(mirrored, broadcast(0.5F)), hn::Zero(FloatTag())), broadcast(kImageSide - 1));
}

// left + part * (right - left): `left` itself where part is 0.
HWY_INLINE Floats interpolate(Floats left, Floats right, Floats part) {
  return hn::Add(left, hn::Mul(part, hn::Sub(right, left)));
}

HWY_INLINE Floats bilinear(const int32_t* quads, Floats column, Floats row) {
  const Ints whole_column = hn::ConvertTo(IntTag(), column);
  const Ints whole_row = hn::ConvertTo(IntTag(), row);
  const Floats right = hn::Sub(column, floats_of(whole_column));
  const Floats below = hn::Sub(row, floats_of(whole_row));
  // 48 y + x, with shifts, which every instruction set has.
  const Ints index = hn::Add(hn::Add(hn::ShiftLeft<5>(whole_row), hn::ShiftLeft<4>(whole_row)), whole_column);
  const Ints quad = hn::GatherIndex(IntTag(), quads, index);
  const Ints byte = hn::Set(IntTag(), 0xFF);
  const Floats upper =
      interpolate(floats_of(hn::And(quad, byte)), floats_of(hn::And(hn::ShiftRight<8>(quad), byte)), right);
  const Floats lower = interpolate(floats_of(hn::And(hn::ShiftRight<16>(quad), byte)),
                                   floats_of(hn::And(hn::ShiftRight<24>(quad), byte)), right);
  return interpolate(upper, lower, below);
}

void sample(const uint8_t* pixels, const SampleLines& lines, float gain, float offset, float* image) {
  HWY_ALIGN int32_t quads[kImagePixels];
  pair_neighbours(pixels, quads);
  const Floats column_step = broadcast(lines.column_step);
  const Floats row_step = broadcast(lines.row_step);
  for (int y = 0; y < kImageSide; ++y) {
    const Floats first_column = broadcast(lines.first_column[static_cast<size_t>(y)]);
    const Floats first_row = broadcast(lines.first_row[static_cast<size_t>(y)]);
    for (int x = 0; x < kImageSide; x += kLanes) {
      const Floats along = floats_of(hn::Iota(IntTag(), x));
      const Floats column = reflect(hn::Add(first_column, hn::Mul(column_step, along)));
      const Floats row = reflect(hn::Add(first_row, hn::Mul(row_step, along)));
      const Floats value = bilinear(quads, column, row);
      hn::StoreU(hn::Add(hn::Mul(value, broadcast(gain)), broadcast(offset)), FloatTag(), image + y * kImageSide + x);
    }
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(sum_pixels);
HWY_EXPORT(scale);
HWY_EXPORT(divide_by_255);
HWY_EXPORT(sample);
HWY_EXPORT(blend);

PixelSums pixel_sums(const uint8_t* pixels) {
  PixelSums sums;
  HWY_DYNAMIC_DISPATCH(sum_pixels)(pixels, sums);
  return sums;
}

PixelMap pixel_map(PixelScale scale, const uint8_t* pixels) {
  if (scale == PixelScale::kUnit) return {1.0 / 255, 0};
  const PixelSums sums = pixel_sums(pixels);
  const auto sum = static_cast<double>(sums.sum);
  const double mean = sum / kImagePixels;
  // sum * sum is exact as well: below 2^53.
  const double variance = (static_cast<double>(sums.squares) - sum * sum / kImagePixels) / (kImagePixels - 1);
  const double gain = 1 / (std::sqrt(std::max(variance, 0.0)) + kStandardizeOffset * 255);
  return {gain, -mean * gain};
}

void scale_image(PixelScale scale, const uint8_t* pixels, float* image) {
  if (scale == PixelScale::kUnit) {
    HWY_DYNAMIC_DISPATCH(divide_by_255)(pixels, image);
    return;
  }
  const PixelMap map = pixel_map(scale, pixels);
  scale_pixels(pixels, static_cast<float>(map.gain), static_cast<float>(map.offset), image);
}

void scale_pixels(const uint8_t* pixels, float gain, float offset, float* image) {
  HWY_DYNAMIC_DISPATCH(scale)(pixels, gain, offset, image);
}

SampleLines sample_lines(const std::array<double, 6>& source) {
  SampleLines lines;
  for (int y = 0; y < kImageSide; ++y) {
    lines.first_column[static_cast<size_t>(y)] = static_cast<float>(source[1] * y + source[2] + 0.5);
    lines.first_row[static_cast<size_t>(y)] = static_cast<float>(source[4] * y + source[5] + 0.5);
  }
  lines.column_step = static_cast<float>(source[0]);
  lines.row_step = static_cast<float>(source[3]);
  return lines;
}

void sample_pixels(const uint8_t* pixels, const SampleLines& lines, float gain, float offset, float* image) {
  HWY_DYNAMIC_DISPATCH(sample)(pixels, lines, gain, offset, image);
}

void blend_images(float weight, const float* image, const float* partner, float* blended) {
  HWY_DYNAMIC_DISPATCH(blend)(weight, image, partner, blended);
}

}  // namespace fer_ddp
#endif
