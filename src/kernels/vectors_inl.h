// The vectors that the kernels are written in, by Highway (https://github.com/google/highway): 16 fp32 values where
// there is AVX-512, 8 with AVX2 and FMA, 4 on any x86-64. A kernel's file is compiled once for each, in a namespace of
// its own, and the best that the processor has is taken when it is first called. To be included by such files alone,
// inside Highway's foreach_target.
#if defined(FER_DDP_KERNELS_VECTORS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FER_DDP_KERNELS_VECTORS_INL_H
#undef FER_DDP_KERNELS_VECTORS_INL_H
#else
#define FER_DDP_KERNELS_VECTORS_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using IntTag = hn::RebindToSigned<FloatTag>;
using DoubleTag = hn::CappedTag<double, 8>;
using Floats = hn::Vec<FloatTag>;
using Ints = hn::Vec<IntTag>;
using FloatMask = hn::Mask<FloatTag>;

inline constexpr int kLanes = static_cast<int>(hn::MaxLanes(FloatTag()));
// AVX-512 has 32 vector registers, the others 16: how much a loop may hold at once.
inline constexpr bool kManyRegisters = kLanes == 16;

HWY_INLINE Floats load(const float* from) { return hn::LoadU(FloatTag(), from); }
HWY_INLINE void store(Floats value, float* to) { hn::StoreU(value, FloatTag(), to); }
HWY_INLINE Floats broadcast(float value) { return hn::Set(FloatTag(), value); }
HWY_INLINE Floats zeros() { return hn::Zero(FloatTag()); }

// to[i] += value[i], in fp64.
HWY_INLINE void add_to_doubles(Floats value, double* to) {
  HWY_ALIGN float lanes[kLanes];
  hn::Store(value, FloatTag(), lanes);
  for (int i = 0; i < kLanes; ++i) to[i] += static_cast<double>(lanes[i]);
}

// Sums by channel of what a kernel has written, and of its squares, about a centre near the mean, which keeps the
// second from cancelling.
template <int kVectors>
struct ChannelSums {
  Floats sum[kVectors];
  Floats squares[kVectors];
  Floats centre[kVectors];

  HWY_INLINE explicit ChannelSums(const float* centres) {
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = squares[v] = zeros();
      centre[v] = load(centres + v * kLanes);
    }
  }
  HWY_INLINE void add(int v, Floats value) {
    const Floats offset = hn::Sub(value, centre[v]);
    sum[v] = hn::Add(sum[v], offset);
    squares[v] = hn::MulAdd(offset, offset, squares[v]);
  }
  // sums[0 .. channels): of the values; sums[channels .. 2 * channels): of the squares.
  HWY_INLINE void add_to(double* sums, int channels) const {
    for (int v = 0; v < kVectors; ++v) {
      add_to_doubles(sum[v], sums + v * kLanes);
      add_to_doubles(squares[v], sums + channels + v * kLanes);
    }
  }
};

// ReLU and the largest of a 2 x 2 window (a0 a1 above a2 a3). Writes the value, and which of the four it was, the first
// of equal ones as in PyTorch, or 4 where ReLU left nothing. Four times NaN is NaN: a run that has
// diverged must show it.
HWY_INLINE Floats pool_window(Floats a0, Floats a1, Floats a2, Floats a3, uint8_t* winner) {
  const IntTag ints;
  const FloatMask right_above = hn::Gt(a1, a0);
  const FloatMask right_below = hn::Gt(a3, a2);
  const Floats above = hn::Max(a0, a1);
  const Floats below = hn::Max(a2, a3);
  const FloatMask is_below = hn::Gt(below, above);
  const Floats largest = hn::Max(above, below);
  const FloatMask is_dead = hn::Le(largest, zeros());
  const Ints index_above = hn::IfThenElseZero(hn::RebindMask(ints, right_above), hn::Set(ints, 1));
  const Ints index_below = hn::IfThenElse(hn::RebindMask(ints, right_below), hn::Set(ints, 3), hn::Set(ints, 2));
  const Ints index = hn::IfThenElse(hn::RebindMask(ints, is_below), index_below, index_above);
  const Ints code = hn::IfThenElse(hn::RebindMask(ints, is_dead), hn::Set(ints, 4), index);
  const hn::Rebind<uint8_t, IntTag> bytes;
  hn::StoreU(hn::DemoteTo(bytes, code), bytes, winner);
  return hn::IfThenElse(is_dead, zeros(), largest);
}

// The codes that pool_window wrote, one a lane.
HWY_INLINE Ints load_winners(const uint8_t* winners) {
  const hn::Rebind<uint8_t, IntTag> bytes;
  return hn::PromoteTo(IntTag(), hn::LoadU(bytes, winners));
}

// Whether ReLU let a window's largest through.
HWY_INLINE FloatMask is_alive(Ints winner) { return hn::RebindMask(FloatTag(), hn::Lt(winner, hn::Set(IntTag(), 4))); }

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
