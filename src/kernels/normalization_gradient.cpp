#include "kernels/normalization_gradient.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/normalization_gradient.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

void backpropagate(const NormalizationGradient& normalization, const float* pooled, const uint8_t* winners,
                   int64_t values, int channels, float* gradient) {
  for (int channel = 0; channel < channels; channel += kLanes) {
    const Floats scale = load(normalization.scale + channel);
    const Floats slope = load(normalization.slope + channel);
    const Floats constant = load(normalization.constant + channel);
    for (int64_t at = channel; at < values * channels; at += channels) {
      const Floats value = hn::MulAdd(load(gradient + at), scale, hn::MulAdd(load(pooled + at), slope, constant));
      store(hn::IfThenElseZero(is_alive(load_winners(winners + at)), value), gradient + at);
    }
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(backpropagate);

void normalization_gradient(const NormalizationGradient& normalization, const float* pooled, const uint8_t* winners,
                            int64_t values, int channels, float* gradient) {
  HWY_DYNAMIC_DISPATCH(backpropagate)(normalization, pooled, winners, values, channels, gradient);
}

}  // namespace fer_ddp
#endif
