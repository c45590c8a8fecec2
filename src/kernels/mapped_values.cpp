#include "kernels/mapped_values.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/mapped_values.cpp"
#include <hwy/foreach_target.h>

#include "kernels/mapped_values_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

template <bool kMapped>
void apply(const MappedValues& values, int64_t rows, int channels, float* out) {
  for (int64_t row = 0; row < rows; ++row)
    for (int channel = 0; channel < channels; channel += kLanes) {
      const int64_t at = row * channels + channel;
      store(Map<kMapped>(values, channel)(load(values.values + at)), out + at);
    }
}

template <bool kMapped>
void add_sums(const MappedValues& values, const float* gradient, const float* mean, int64_t rows, int channels,
              double* sums) {
  constexpr int64_t kBlockRows = 32;
  for (int64_t begin = 0; begin < rows; begin += kBlockRows) {
    const int64_t end = std::min(rows, begin + kBlockRows);
    for (int channel = 0; channel < channels; channel += kLanes) {
      const Floats scale = kMapped ? load(values.scale + channel) : zeros();
      const Floats shift = kMapped ? load(values.shift + channel) : zeros();
      const Floats middle = load(mean + channel);
      Floats sum = zeros();
      Floats products = zeros();
      for (int64_t at = begin * channels + channel; at < end * channels; at += channels) {
        const Floats value = load(values.values + at);
        const Floats dy = load(gradient + at);
        const Floats live = kMapped ? live_gradient(dy, value, scale, shift) : dy;
        sum = hn::Add(sum, live);
        products = hn::MulAdd(live, hn::Sub(value, middle), products);
      }
      add_to_doubles(sum, sums + channel);
      add_to_doubles(products, sums + channels + channel);
    }
  }
}

void map_gradient(const MappedGradient& gradient, int64_t rows, int channels, float* dz) {
  for (int64_t row = 0; row < rows; ++row)
    for (int channel = 0; channel < channels; channel += kLanes) {
      const int64_t at = row * channels + channel;
      store(GradientMap(gradient, channel)(load(gradient.gradient + at), load(gradient.z.values + at)), dz + at);
    }
}

void add_pool_gradient(const PooledShape& shape, const float* pooled_gradient, const uint8_t* winners, int images,
                       float* gradient) {
  const int channels = shape.channels;
  const int64_t row = int64_t{shape.width} * channels;
  int64_t from = 0;
  for (int64_t image = 0; image < images; ++image)
    for (int y = 0; y < shape.height / 2; ++y)
      for (int x = 0; x < shape.width / 2; ++x)
        for (int channel = 0; channel < channels; channel += kLanes, from += kLanes) {
          const Floats dy = load(pooled_gradient + from);
          const Ints winner = load_winners(winners + from);
          float* corner = gradient + image * shape.positions() * channels + 2 * y * row + int64_t{2} * x * channels;
          for (int i = 0; i < 4; ++i) {
            float* to = corner + i / 2 * row + int64_t{i % 2} * channels + channel;
            const FloatMask won = hn::RebindMask(FloatTag(), hn::Eq(winner, hn::Set(IntTag(), i)));
            store(hn::Add(load(to), hn::IfThenElseZero(won, dy)), to);
          }
        }
}

void apply_any(const MappedValues& values, int64_t rows, int channels, float* out) {
  if (values.scale == nullptr)
    apply<false>(values, rows, channels, out);
  else
    apply<true>(values, rows, channels, out);
}

void add_sums_any(const MappedValues& values, const float* gradient, const float* mean, int64_t rows, int channels,
                  double* sums) {
  if (values.scale == nullptr)
    add_sums<false>(values, gradient, mean, rows, channels, sums);
  else
    add_sums<true>(values, gradient, mean, rows, channels, sums);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(apply_any);
HWY_EXPORT(add_sums_any);
HWY_EXPORT(map_gradient);
HWY_EXPORT(add_pool_gradient);

void apply_map(const MappedValues& values, int64_t rows, int channels, float* out) {
  HWY_DYNAMIC_DISPATCH(apply_any)(values, rows, channels, out);
}

void add_live_sums(const MappedValues& values, const float* gradient, const float* mean, int64_t rows, int channels,
                   double* sums) {
  HWY_DYNAMIC_DISPATCH(add_sums_any)(values, gradient, mean, rows, channels, sums);
}

void mapped_gradient(const MappedGradient& gradient, int64_t rows, int channels, float* dz) {
  HWY_DYNAMIC_DISPATCH(map_gradient)(gradient, rows, channels, dz);
}

void add_max_pool_gradient(const PooledShape& shape, const float* pooled_gradient, const uint8_t* winners, int images,
                           float* gradient) {
  HWY_DYNAMIC_DISPATCH(add_pool_gradient)(shape, pooled_gradient, winners, images, gradient);
}

}  // namespace fer_ddp
#endif
