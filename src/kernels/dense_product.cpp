#include "kernels/dense_product.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense_product.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// Images that a row of weights is used for while it is in the cache, and whose sums are in registers.
inline constexpr int kImages = 4;

template <int kCount>
HWY_INLINE void products_of_row(const float* row, int inputs, const float* x, float bias, int outputs, float* y) {
  Floats sums[kCount];
  for (Floats& sum : sums) sum = zeros();
  for (int k = 0; k < inputs; k += kLanes) {
    const Floats weights = load(row + k);
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) sums[i] = hn::MulAdd(load(x + int64_t{i} * inputs + k), weights, sums[i]);
  }
  for (int i = 0; i < kCount; ++i) y[int64_t{i} * outputs] = hn::GetLane(hn::SumOfLanes(FloatTag(), sums[i])) + bias;
}

void multiply(const DenseSize& size, const float* weights, const float* bias, const float* x, int images, float* y) {
  for (int first = 0; first < images; first += kImages) {
    const float* from = x + int64_t{first} * size.inputs;
    float* to = y + int64_t{first} * size.outputs;
    for (int unit = 0; unit < size.outputs; ++unit) {
      const float* row = weights + int64_t{unit} * size.inputs;
      const float add = bias == nullptr ? 0.0F : bias[unit];
      if (first + kImages <= images) {
        products_of_row<kImages>(row, size.inputs, from, add, size.outputs, to + unit);
        continue;
      }
      for (int i = 0; first + i < images; ++i)
        products_of_row<1>(row, size.inputs, from + int64_t{i} * size.inputs, add, size.outputs,
                           to + int64_t{i} * size.outputs + unit);
    }
  }
}

// sum [width] of `count` rows, each times its factor.
HWY_INLINE void add_scaled_rows(const float* rows, int64_t row_stride, const float* factors, int64_t factor_stride,
                                int count, int width, float* sum) {
  constexpr int kVectors = 4;
  int k = 0;
  for (; k + kVectors * kLanes <= width; k += kVectors * kLanes) {
    Floats sums[kVectors];
    for (Floats& each : sums) each = zeros();
    for (int i = 0; i < count; ++i) {
      const Floats factor = broadcast(factors[i * factor_stride]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sums[v] = hn::MulAdd(load(rows + i * row_stride + k + v * kLanes), factor, sums[v]);
    }
    for (int v = 0; v < kVectors; ++v) store(sums[v], sum + k + v * kLanes);
  }
  for (; k < width; k += kLanes) {
    Floats each = zeros();
    for (int i = 0; i < count; ++i)
      each = hn::MulAdd(load(rows + i * row_stride + k), broadcast(factors[i * factor_stride]), each);
    store(each, sum + k);
  }
}

void input_gradient(const DenseSize& size, const float* weights, const float* dy, int images, float* dx) {
  for (int64_t image = 0; image < images; ++image)
    add_scaled_rows(weights, size.inputs, dy + image * size.outputs, 1, size.outputs, size.inputs,
                    dx + image * size.inputs);
}

void weight_gradient(const DenseSize& size, const float* x, const float* dy, int images, float* weights, float* bias) {
  for (int64_t unit = 0; unit < size.outputs; ++unit) {
    add_scaled_rows(x, size.inputs, dy + unit, size.outputs, images, size.inputs, weights + unit * size.inputs);
    if (bias == nullptr) continue;
    float sum = 0;
    for (int64_t image = 0; image < images; ++image) sum += dy[image * size.outputs + unit];
    bias[unit] = sum;
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(multiply);
HWY_EXPORT(input_gradient);
HWY_EXPORT(weight_gradient);

void dense_product(const DenseSize& size, const float* weights, const float* bias, const float* x, int images,
                   float* y) {
  HWY_DYNAMIC_DISPATCH(multiply)(size, weights, bias, x, images, y);
}

void dense_input_gradient(const DenseSize& size, const float* weights, const float* dy, int images, float* dx) {
  HWY_DYNAMIC_DISPATCH(input_gradient)(size, weights, dy, images, dx);
}

void dense_weight_gradient(const DenseSize& size, const float* x, const float* dy, int images, float* weights,
                           float* bias) {
  HWY_DYNAMIC_DISPATCH(weight_gradient)(size, x, dy, images, weights, bias);
}

}  // namespace fer_ddp
#endif
