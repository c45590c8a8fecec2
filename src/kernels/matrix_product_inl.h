// Matrix products of any size whose blocks stay in registers, for kernels that know their operands' layouts. A block is
// kRows rows of kVectors vectors; a product's sums run over k from 0 on, one fused multiply-add after the other, so
// that a row's bits depend neither on how many rows there are nor on where it stands among them. To be included inside
// Highway's foreach_target.
#if defined(FER_DDP_KERNELS_MATRIX_PRODUCT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FER_DDP_KERNELS_MATRIX_PRODUCT_INL_H
#undef FER_DDP_KERNELS_MATRIX_PRODUCT_INL_H
#else
#define FER_DDP_KERNELS_MATRIX_PRODUCT_INL_H
#endif

#include <algorithm>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// out[row][column] (+)= sum over k of a[row * row_stride + k * k_stride] * b[k * b_stride + column].
struct Product {
  const float* a = nullptr;
  int64_t row_stride = 0;
  int64_t k_stride = 0;
  const float* b = nullptr;
  int64_t b_stride = 0;
  float* out = nullptr;
  int64_t out_stride = 0;
};

template <int kRows, int kVectors>
HWY_INLINE void multiply_block(const Product& product, int row, int first, int depth, bool add) {
  Floats sums[kRows][kVectors];
  float* out = product.out + row * product.out_stride;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[r][v] = add ? load(out + r * product.out_stride + v * kLanes) : zeros();
  const float* a = product.a + row * product.row_stride + first * product.k_stride;
  const float* b = product.b + first * product.b_stride;
  for (int k = 0; k < depth; ++k, a += product.k_stride, b += product.b_stride) {
    Floats columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) columns[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Floats value = broadcast(a[r * product.row_stride]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(value, columns[v], sums[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(sums[r][v], out + r * product.out_stride + v * kLanes);
}

template <int kRows, int kVectors>
HWY_INLINE void multiply_rows(const Product& product, int row, int rows, int first, int depth, bool add) {
  for (; row + kRows <= rows; row += kRows) multiply_block<kRows, kVectors>(product, row, first, depth, add);
  if constexpr (kRows > 1) {
    if (row < rows) multiply_rows<kRows / 2, kVectors>(product, row, rows, first, depth, add);
  }
}

// How far k runs before the next rows are taken: a panel of B of this depth stays in the first-level cache.
inline constexpr int kProductDepth = 128;

// All rows of 16 or 32 columns. `add` adds to what `out` holds.
template <int kColumns>
HWY_INLINE void multiply_columns(Product product, int rows, int depth, bool add) {
  constexpr int kMost = 2;
  constexpr int kVectors = std::min(kMost, kColumns / kLanes);
  constexpr int kRows = kManyRegisters ? (kVectors == 1 ? 16 : 8) : 4;
  for (int column = 0; column < kColumns; column += kVectors * kLanes) {
    for (int first = 0; first < depth; first += kProductDepth)
      multiply_rows<kRows, kVectors>(product, 0, rows, first, std::min(kProductDepth, depth - first), add || first > 0);
    product.b += kVectors * kLanes;
    product.out += kVectors * kLanes;
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
