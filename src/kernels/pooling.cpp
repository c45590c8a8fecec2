#include "kernels/pooling.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pooling.cpp"
#include <hwy/foreach_target.h>

#include "kernels/mapped_values_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// A window's value, what its reader sees of it before ReLU, and its place.
struct Candidate {
  Floats z, seen;
  Ints place;
};

HWY_INLINE Candidate larger(const Candidate& first, const Candidate& second) {
  const FloatMask is_larger = hn::Gt(second.seen, first.seen);
  return {hn::IfThenElse(is_larger, second.z, first.z), hn::IfThenElse(is_larger, second.seen, first.seen),
          hn::IfThenElse(hn::RebindMask(IntTag(), is_larger), second.place, first.place)};
}

template <bool kMapped>
void pool(const PooledShape& shape, const MappedValues& z, int images, float* pooled, uint8_t* winners) {
  const hn::Rebind<uint8_t, IntTag> bytes;
  const int channels = shape.channels;
  const int64_t row_stride = int64_t{shape.width} * channels;
  int64_t to = 0;
  for (int64_t image = 0; image < images; ++image) {
    for (int y = 0; y < shape.height / 2; ++y) {
      for (int x = 0; x < shape.width / 2; ++x) {
        const float* corner = z.values + image * shape.positions() * channels + 2 * y * row_stride + 2 * x * channels;
        for (int channel = 0; channel < channels; channel += kLanes, to += kLanes) {
          const Floats scale = kMapped ? load(z.scale + channel) : zeros();
          const Floats shift = kMapped ? load(z.shift + channel) : zeros();
          const auto candidate = [&](int i) {
            const Floats value = load(corner + i / 2 * row_stride + i % 2 * channels + channel);
            return Candidate{value, kMapped ? hn::MulAdd(value, scale, shift) : value, hn::Set(IntTag(), i)};
          };
          const Candidate largest = larger(larger(candidate(0), candidate(1)), larger(candidate(2), candidate(3)));
          store(largest.z, pooled + to);
          hn::StoreU(hn::DemoteTo(bytes, largest.place), bytes, winners + to);
        }
      }
    }
  }
}

template <bool kMapped>
void average(const PooledShape& shape, const MappedValues& z, int images, float* means) {
  const int channels = shape.channels;
  const Floats share = broadcast(1.0F / static_cast<float>(shape.positions()));
  for (int64_t image = 0; image < images; ++image) {
    for (int channel = 0; channel < channels; channel += kLanes) {
      const Map<kMapped> map(z, channel);
      Floats sum = zeros();
      for (int y = 0; y < shape.height; ++y) {
        Floats row = zeros();
        for (int x = 0; x < shape.width; ++x) {
          const int64_t position = image * shape.positions() + int64_t{y} * shape.width + x;
          row = hn::Add(row, map(load(z.values + position * channels + channel)));
        }
        sum = hn::Add(sum, row);
      }
      store(hn::Mul(sum, share), means + image * channels + channel);
    }
  }
}

void spread(const PooledShape& shape, const MappedValues& z, const float* mean_gradient, int images, const float* mean,
            float* gradient, double* sums) {
  const int channels = shape.channels;
  const Floats share = broadcast(1.0F / static_cast<float>(shape.positions()));
  for (int64_t image = 0; image < images; ++image) {
    const int64_t first = image * shape.positions() * channels;
    for (int channel = 0; channel < channels; channel += kLanes) {
      const Floats value = hn::Mul(load(mean_gradient + image * channels + channel), share);
      for (int64_t at = first + channel; at < first + shape.positions() * channels; at += channels)
        store(value, gradient + at);
      if (sums == nullptr || z.scale == nullptr) continue;
      for (int y = 0; y < shape.height; ++y)
        add_live_row(z, gradient, mean, first + int64_t{y} * shape.width * channels, shape.width, channels, channel,
                     sums);
    }
  }
}

void pool_any(const PooledShape& shape, const MappedValues& z, int images, float* pooled, uint8_t* winners) {
  if (z.scale == nullptr)
    pool<false>(shape, z, images, pooled, winners);
  else
    pool<true>(shape, z, images, pooled, winners);
}

void average_any(const PooledShape& shape, const MappedValues& z, int images, float* means) {
  if (z.scale == nullptr)
    average<false>(shape, z, images, means);
  else
    average<true>(shape, z, images, means);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(pool_any);
HWY_EXPORT(average_any);
HWY_EXPORT(spread);

void max_pool(const PooledShape& shape, const MappedValues& z, int images, float* pooled, uint8_t* winners) {
  HWY_DYNAMIC_DISPATCH(pool_any)(shape, z, images, pooled, winners);
}

void global_average_pool(const PooledShape& shape, const MappedValues& z, int images, float* means) {
  HWY_DYNAMIC_DISPATCH(average_any)(shape, z, images, means);
}

void global_average_pool_gradient(const PooledShape& shape, const MappedValues& z, const float* mean_gradient,
                                  int images, const float* mean, float* gradient, double* sums) {
  HWY_DYNAMIC_DISPATCH(spread)(shape, z, mean_gradient, images, mean, gradient, sums);
}

}  // namespace fer_ddp
#endif
