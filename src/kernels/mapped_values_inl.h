// How kernels read values and gradients through the normalisation and ReLU between two layers (convolution_shape.h). To
// be included inside Highway's foreach_target.
#if defined(FER_DDP_KERNELS_MAPPED_VALUES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FER_DDP_KERNELS_MAPPED_VALUES_INL_H
#undef FER_DDP_KERNELS_MAPPED_VALUES_INL_H
#else
#define FER_DDP_KERNELS_MAPPED_VALUES_INL_H
#endif

#include "kernels/convolution_shape.h"
#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// ReLU. NaN stays NaN, for a run that has diverged must show it: of two that cannot be compared x86 takes the second.
HWY_INLINE Floats relu(Floats value) {
  if constexpr (kLanes == 1) return hn::IfThenElse(hn::Lt(value, zeros()), zeros(), value);
  return hn::Max(zeros(), value);
}

// max(0, value * scale + shift), or the value itself.
template <bool kMapped>
struct Map {
  Floats scale, shift;
  HWY_INLINE Map(const MappedValues& values, int channel) {
    scale = kMapped ? load(values.scale + channel) : zeros();
    shift = kMapped ? load(values.shift + channel) : zeros();
  }
  HWY_INLINE Floats operator()(Floats value) const { return kMapped ? relu(hn::MulAdd(value, scale, shift)) : value; }
};

// What ReLU lets through of the gradient of max(0, z * scale + shift).
HWY_INLINE Floats live_gradient(Floats dy, Floats z, Floats scale, Floats shift) {
  return hn::IfThenElseZero(hn::Gt(hn::MulAdd(z, scale, shift), zeros()), dy);
}

// The gradient of z, by channel (MappedGradient).
struct GradientMap {
  Floats scale, shift, from_gradient, from_value, constant;
  GradientMap() = default;
  HWY_INLINE GradientMap(const MappedGradient& gradient, int channel)
      : scale(load(gradient.z.scale + channel)),
        shift(load(gradient.z.shift + channel)),
        from_gradient(load(gradient.from_gradient + channel)),
        from_value(load(gradient.from_value + channel)),
        constant(load(gradient.constant + channel)) {}
  HWY_INLINE Floats operator()(Floats dy, Floats z) const {
    return hn::MulAdd(live_gradient(dy, z, scale, shift), from_gradient, hn::MulAdd(z, from_value, constant));
  }
};

enum class GradientKind { kPlain, kMapped, kPooled };

inline GradientKind kind_of(const MappedGradient& gradient) {
  if (gradient.z.scale == nullptr) return GradientKind::kPlain;
  return gradient.winners == nullptr ? GradientKind::kMapped : GradientKind::kPooled;
}

// A row of a picture's live gradients, summed in fp32, is added to `sums` in fp64: the gradients, and their products
// with (value - mean).
HWY_INLINE void add_live_row(const MappedValues& input, const float* gradient, const float* mean, int64_t at, int width,
                             int channels, int channel, double* sums) {
  const Floats scale = load(input.scale + channel);
  const Floats shift = load(input.shift + channel);
  const Floats middle = load(mean + channel);
  Floats sum = zeros();
  Floats products = zeros();
  for (int x = 0; x < width; ++x) {
    const int64_t offset = at + int64_t{x} * channels + channel;
    const Floats value = load(input.values + offset);
    const Floats live = live_gradient(load(gradient + offset), value, scale, shift);
    sum = hn::Add(sum, live);
    products = hn::MulAdd(live, hn::Sub(value, middle), products);
  }
  add_to_doubles(sum, sums + channel);
  add_to_doubles(products, sums + channels + channel);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
