// Rounding of fp32 vectors to bf16, to nearest, ties to even. To be included inside Highway's foreach_target.
#if defined(FER_DDP_KERNELS_BF16_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FER_DDP_KERNELS_BF16_INL_H
#undef FER_DDP_KERNELS_BF16_INL_H
#else
#define FER_DDP_KERNELS_BF16_INL_H
#endif

#include "kernels/matrix_tiles.h"
#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

using WordTag = hn::RebindToUnsigned<FloatTag>;
using Words = hn::Vec<WordTag>;
using HalfTag = hn::Rebind<Bf16, FloatTag>;

// In the lower half of each word. NaN stays NaN.
HWY_INLINE Words rounded(Floats value) {
  const WordTag words;
  const Words bits = hn::BitCast(words, value);
  const Words odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, 1));
  const Words nearest = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(words, 0x7fff))));
  const Words quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(words, 0x40));
  return hn::IfThenElse(hn::RebindMask(words, hn::IsNaN(value)), quiet, nearest);
}

HWY_INLINE void store_rounded(Floats value, Bf16* to) {
  hn::StoreU(hn::DemoteTo(HalfTag(), hn::BitCast(IntTag(), rounded(value))), HalfTag(), to);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
