// Winograd's minimal filtering F(m, 3) in one dimension, for m = 4 and m = 6 (Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2015; the points 0, +-1, +-2, for m = 6 also +-1/2, and infinity): with m + 2 inputs
// x and three weights w, the m outputs are A^T [(G w) * (B^T x)]. Backwards the same matrices are used transposed.
// Every function reads its values in a row and writes them kStride apart, so that a second call can go across. To be
// included inside Highway's foreach_target.
#if defined(FER_DDP_KERNELS_WINOGRAD_TRANSFORMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FER_DDP_KERNELS_WINOGRAD_TRANSFORMS_INL_H
#undef FER_DDP_KERNELS_WINOGRAD_TRANSFORMS_INL_H
#else
#define FER_DDP_KERNELS_WINOGRAD_TRANSFORMS_INL_H
#endif

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// value * factor + term.
HWY_INLINE Floats multiply_add(float factor, Floats value, Floats term) {
  return hn::MulAdd(broadcast(factor), value, term);
}
HWY_INLINE Floats times(float factor, Floats value) { return hn::Mul(broadcast(factor), value); }

// Values in pairs: what points x and -x have in common, and in what they differ.
struct Pair {
  Floats sum, difference;
  HWY_INLINE Pair(Floats a, Floats b) : sum(hn::Add(a, b)), difference(hn::Sub(a, b)) {}
};

template <int kStride>
HWY_INLINE void store_pair(Floats even, Floats odd, Floats* out) {
  out[0] = hn::Add(even, odd);
  out[kStride] = hn::Sub(even, odd);
}

template <int kOutputs>
struct Winograd;

template <>
struct Winograd<4> {
  static constexpr int kSide = 6;

  // B^T: six values to six.
  template <int kStride>
  static HWY_INLINE void input(const Floats* x, Floats* out) {
    out[0] = multiply_add(4, x[0], multiply_add(-5, x[2], x[4]));
    store_pair<kStride>(multiply_add(-4, x[2], x[4]), multiply_add(-4, x[1], x[3]), out + kStride);
    store_pair<kStride>(hn::Sub(x[4], x[2]), times(2, hn::Sub(x[3], x[1])), out + 3 * kStride);
    out[5 * kStride] = multiply_add(4, x[1], multiply_add(-5, x[3], x[5]));
  }
  // B: six to six.
  template <int kStride>
  static HWY_INLINE void input_adjoint(const Floats* y, Floats* out) {
    const Pair one(y[1], y[2]);
    const Pair two(y[3], y[4]);
    out[0] = times(4, y[0]);
    out[kStride] = multiply_add(4, hn::Sub(y[5], one.difference), times(-2, two.difference));
    out[2 * kStride] = multiply_add(-5, y[0], multiply_add(-4, one.sum, hn::Neg(two.sum)));
    out[3 * kStride] = multiply_add(-5, y[5], multiply_add(2, two.difference, one.difference));
    out[4 * kStride] = hn::Add(y[0], hn::Add(one.sum, two.sum));
    out[5 * kStride] = y[5];
  }
  // A^T: six to four.
  template <int kStride>
  static HWY_INLINE void output(const Floats* m, Floats* out) {
    const Pair one(m[1], m[2]);
    const Pair two(m[3], m[4]);
    out[0] = hn::Add(m[0], hn::Add(one.sum, two.sum));
    out[kStride] = multiply_add(2, two.difference, one.difference);
    out[2 * kStride] = multiply_add(4, two.sum, one.sum);
    out[3 * kStride] = hn::Add(multiply_add(8, two.difference, one.difference), m[5]);
  }
  // A: four to six.
  template <int kStride>
  static HWY_INLINE void output_adjoint(const Floats* y, Floats* out) {
    out[0] = y[0];
    store_pair<kStride>(hn::Add(y[0], y[2]), hn::Add(y[1], y[3]), out + kStride);
    store_pair<kStride>(multiply_add(4, y[2], y[0]), multiply_add(8, y[3], times(2, y[1])), out + 3 * kStride);
    out[5 * kStride] = y[3];
  }
  // G: three to six.
  template <int kStride>
  static HWY_INLINE void filter(const Floats* w, Floats* out) {
    out[0] = times(0.25F, w[0]);
    store_pair<kStride>(times(-1.0F / 6, hn::Add(w[0], w[2])), times(-1.0F / 6, w[1]), out + kStride);
    store_pair<kStride>(multiply_add(1.0F / 24, w[0], times(1.0F / 6, w[2])), times(1.0F / 12, w[1]),
                        out + 3 * kStride);
    out[5 * kStride] = w[2];
  }
  // G^T: six to three.
  template <int kStride>
  static HWY_INLINE void filter_adjoint(const Floats* u, Floats* out) {
    const Pair one(u[1], u[2]);
    const Pair two(u[3], u[4]);
    out[0] = multiply_add(0.25F, u[0], multiply_add(1.0F / 24, two.sum, times(-1.0F / 6, one.sum)));
    out[kStride] = multiply_add(1.0F / 12, two.difference, times(-1.0F / 6, one.difference));
    out[2 * kStride] = multiply_add(1.0F / 6, hn::Sub(two.sum, one.sum), u[5]);
  }
};

template <>
struct Winograd<6> {
  static constexpr int kSide = 8;

  template <int kStride>
  static HWY_INLINE void input(const Floats* x, Floats* out) {
    out[0] = multiply_add(5.25F, hn::Sub(x[4], x[2]), hn::Sub(x[0], x[6]));
    store_pair<kStride>(multiply_add(-4.25F, x[4], hn::Add(x[2], x[6])),
                        multiply_add(-4.25F, x[3], hn::Add(x[1], x[5])), out + kStride);
    const Floats middle = times(-2.5F, x[3]);
    store_pair<kStride>(multiply_add(0.25F, x[2], multiply_add(-1.25F, x[4], x[6])),
                        multiply_add(0.5F, x[1], multiply_add(2, x[5], middle)), out + 3 * kStride);
    store_pair<kStride>(multiply_add(4, x[2], multiply_add(-5, x[4], x[6])),
                        multiply_add(2, x[1], multiply_add(0.5F, x[5], middle)), out + 5 * kStride);
    out[7 * kStride] = multiply_add(5.25F, hn::Sub(x[3], x[5]), hn::Sub(x[7], x[1]));
  }
  template <int kStride>
  static HWY_INLINE void input_adjoint(const Floats* y, Floats* out) {
    const Pair one(y[1], y[2]);
    const Pair two(y[3], y[4]);
    const Pair half(y[5], y[6]);
    out[0] = y[0];
    out[kStride] = multiply_add(0.5F, two.difference, multiply_add(2, half.difference, hn::Sub(one.difference, y[7])));
    out[2 * kStride] = multiply_add(-5.25F, y[0], multiply_add(0.25F, two.sum, multiply_add(4, half.sum, one.sum)));
    out[3 * kStride] = multiply_add(
        5.25F, y[7], multiply_add(-4.25F, one.difference, times(-2.5F, hn::Add(two.difference, half.difference))));
    out[4 * kStride] =
        multiply_add(5.25F, y[0], multiply_add(-4.25F, one.sum, multiply_add(-1.25F, two.sum, times(-5, half.sum))));
    out[5 * kStride] = multiply_add(
        -5.25F, y[7], multiply_add(2, two.difference, multiply_add(0.5F, half.difference, one.difference)));
    out[6 * kStride] = hn::Sub(hn::Add(one.sum, hn::Add(two.sum, half.sum)), y[0]);
    out[7 * kStride] = y[7];
  }
  template <int kStride>
  static HWY_INLINE void output(const Floats* m, Floats* out) {
    const Pair one(m[1], m[2]);
    const Pair two(m[3], m[4]);
    const Pair half(m[5], m[6]);
    out[0] = hn::Add(hn::Add(m[0], one.sum), hn::Add(two.sum, half.sum));
    out[kStride] = multiply_add(2, two.difference, multiply_add(0.5F, half.difference, one.difference));
    out[2 * kStride] = multiply_add(4, two.sum, multiply_add(0.25F, half.sum, one.sum));
    out[3 * kStride] = multiply_add(8, two.difference, multiply_add(0.125F, half.difference, one.difference));
    out[4 * kStride] = multiply_add(16, two.sum, multiply_add(0.0625F, half.sum, one.sum));
    out[5 * kStride] =
        multiply_add(32, two.difference, multiply_add(0.03125F, half.difference, hn::Add(one.difference, m[7])));
  }
  template <int kStride>
  static HWY_INLINE void output_adjoint(const Floats* y, Floats* out) {
    out[0] = y[0];
    store_pair<kStride>(hn::Add(y[0], hn::Add(y[2], y[4])), hn::Add(y[1], hn::Add(y[3], y[5])), out + kStride);
    store_pair<kStride>(multiply_add(16, y[4], multiply_add(4, y[2], y[0])),
                        multiply_add(32, y[5], multiply_add(8, y[3], times(2, y[1]))), out + 3 * kStride);
    store_pair<kStride>(multiply_add(0.0625F, y[4], multiply_add(0.25F, y[2], y[0])),
                        multiply_add(0.03125F, y[5], multiply_add(0.125F, y[3], times(0.5F, y[1]))), out + 5 * kStride);
    out[7 * kStride] = y[5];
  }
  template <int kStride>
  static HWY_INLINE void filter(const Floats* w, Floats* out) {
    out[0] = w[0];
    store_pair<kStride>(times(-2.0F / 9, hn::Add(w[0], w[2])), times(-2.0F / 9, w[1]), out + kStride);
    store_pair<kStride>(multiply_add(1.0F / 90, w[0], times(2.0F / 45, w[2])), times(1.0F / 45, w[1]),
                        out + 3 * kStride);
    store_pair<kStride>(multiply_add(32.0F / 45, w[0], times(8.0F / 45, w[2])), times(16.0F / 45, w[1]),
                        out + 5 * kStride);
    out[7 * kStride] = w[2];
  }
  template <int kStride>
  static HWY_INLINE void filter_adjoint(const Floats* u, Floats* out) {
    const Pair one(u[1], u[2]);
    const Pair two(u[3], u[4]);
    const Pair half(u[5], u[6]);
    const Floats outer = times(-2.0F / 9, one.sum);
    out[0] = hn::Add(u[0], multiply_add(32.0F / 45, half.sum, multiply_add(1.0F / 90, two.sum, outer)));
    out[kStride] = multiply_add(16.0F / 45, half.difference,
                                multiply_add(1.0F / 45, two.difference, times(-2.0F / 9, one.difference)));
    out[2 * kStride] = hn::Add(u[7], multiply_add(8.0F / 45, half.sum, multiply_add(2.0F / 45, two.sum, outer)));
  }
};

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
