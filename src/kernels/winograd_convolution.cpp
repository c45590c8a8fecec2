#include "kernels/winograd_convolution.h"

#include <stdexcept>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_convolution.cpp"
#include <hwy/foreach_target.h>

#include "kernels/vectors_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// out[i * kStride] = (B^T in)[i], Lavin and Gray's B for F(4, 3).
template <int kStride>
HWY_INLINE void transform_input(const Floats* in, Floats* out) {
  const Floats four = broadcast(4.0F);
  const Floats five = broadcast(5.0F);
  const Floats two = broadcast(2.0F);
  const Floats a = hn::NegMulAdd(four, in[2], in[4]);
  const Floats b = hn::NegMulAdd(four, in[1], in[3]);
  const Floats c = hn::Sub(in[4], in[2]);
  const Floats d = hn::Mul(two, hn::Sub(in[3], in[1]));
  out[0] = hn::MulAdd(four, in[0], hn::NegMulAdd(five, in[2], in[4]));
  out[kStride] = hn::Add(a, b);
  out[2 * kStride] = hn::Sub(a, b);
  out[3 * kStride] = hn::Add(c, d);
  out[4 * kStride] = hn::Sub(c, d);
  out[5 * kStride] = hn::MulAdd(four, in[1], hn::NegMulAdd(five, in[3], in[5]));
}

// out[i * kStride] = (A^T in)[i].
template <int kStride>
HWY_INLINE void transform_output(const Floats* in, Floats* out) {
  const Floats near_sum = hn::Add(in[1], in[2]);
  const Floats near_difference = hn::Sub(in[1], in[2]);
  const Floats far_sum = hn::Add(in[3], in[4]);
  const Floats far_difference = hn::Sub(in[3], in[4]);
  out[0] = hn::Add(in[0], hn::Add(near_sum, far_sum));
  out[kStride] = hn::MulAdd(broadcast(2.0F), far_difference, near_difference);
  out[2 * kStride] = hn::MulAdd(broadcast(4.0F), far_sum, near_sum);
  out[3 * kStride] = hn::Add(hn::MulAdd(broadcast(8.0F), far_difference, near_difference), in[5]);
}

// out[i * kStride] = (G in)[i] of three values.
template <int kStride>
HWY_INLINE void transform_filter(Floats w0, Floats w1, Floats w2, Floats* out) {
  const Floats outer = hn::Mul(broadcast(-1.0F / 6.0F), hn::Add(w0, w2));
  const Floats inner = hn::Mul(broadcast(1.0F / 6.0F), w1);
  const Floats wide = hn::MulAdd(broadcast(1.0F / 24.0F), w0, hn::Mul(broadcast(1.0F / 6.0F), w2));
  const Floats middle = hn::Mul(broadcast(1.0F / 12.0F), w1);
  out[0] = hn::Mul(broadcast(0.25F), w0);
  out[kStride] = hn::Sub(outer, inner);
  out[2 * kStride] = hn::Add(outer, inner);
  out[3 * kStride] = hn::Add(wide, middle);
  out[4 * kStride] = hn::Sub(wide, middle);
  out[5 * kStride] = w2;
}

void transform_weights(const BlockShape& shape, const float* weights, const float* scale, int begin, int end,
                       float* transformed) {
  const int inputs = shape.input_channels;
  const int outputs = shape.output_channels;
  for (int output = begin; output < end; ++output) {
    for (int input = 0; input < inputs; input += kLanes) {
      const Floats factor = load(scale + input);
      Floats rows[18];  // G w, [6][3]
      for (int x = 0; x < 3; ++x) {
        const float* column = weights + (int64_t{output} * 9 + x) * inputs + input;
        transform_filter<3>(hn::Mul(load(column), factor), hn::Mul(load(column + 3 * inputs), factor),
                            hn::Mul(load(column + 6 * inputs), factor), rows + x);
      }
      for (int y = 0; y < 6; ++y) {
        Floats row[6];
        transform_filter<1>(rows[3 * y], rows[3 * y + 1], rows[3 * y + 2], row);
        for (int x = 0; x < 6; ++x) {
          HWY_ALIGN float lanes[kLanes];
          hn::Store(row[x], FloatTag(), lanes);
          for (int i = 0; i < kLanes; ++i)
            transformed[(int64_t{y * 6 + x} * inputs + input + i) * outputs + output] = lanes[i];
        }
      }
    }
  }
}

struct Tiles {
  int rows, columns;
  explicit Tiles(const BlockShape& shape) : rows(shape.pooled_height() / 2), columns(shape.pooled_width() / 2) {}
  [[nodiscard]] int count() const { return rows * columns; }
};

// tiles: [36][count][kInputs].
template <int kInputs>
void transform_all_inputs(const BlockShape& shape, const float* input, float* tiles) {
  const Tiles grid(shape);
  const int64_t plane = int64_t{grid.count()} * kInputs;
  for (int tile = 0; tile < grid.count(); ++tile) {
    const float* corner =
        input + (int64_t{tile / grid.columns * 4} * shape.width + int64_t{tile % grid.columns} * 4) * kInputs;
    for (int channel = 0; channel < kInputs; channel += kLanes) {
      Floats half[36];
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) {
        Floats column[6];
#pragma GCC unroll 6
        for (int y = 0; y < 6; ++y) column[y] = load(corner + (int64_t{y} * shape.width + x) * kInputs + channel);
        transform_input<6>(column, half + x);
      }
      float* out = tiles + int64_t{tile} * kInputs + channel;
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) {
        Floats row[6];
        transform_input<1>(half + 6 * y, row);
#pragma GCC unroll 6
        for (int x = 0; x < 6; ++x) store(row[x], out + (y * 6 + x) * plane);
      }
    }
  }
}

// out[kRows][kVectors * kLanes of outputs] = in[kRows][kInputs] * weights[kInputs][outputs].
template <int kInputs, int kOutputs, int kRows, int kVectors>
HWY_INLINE void multiply_rows(const float* in, const float* weights, float* out) {
  Floats sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[row][v] = zeros();
  for (int k = 0; k < kInputs; ++k) {
    Floats weight[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) weight[v] = load(weights + k * kOutputs + v * kLanes);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const Floats value = broadcast(in[row * kInputs + k]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[row][v] = hn::MulAdd(value, weight[v], sums[row][v]);
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(sums[row][v], out + row * kOutputs + v * kLanes);
}

// All rows of one of the 36 products.
template <int kInputs, int kOutputs>
HWY_INLINE void multiply(const float* in, int rows, const float* weights, float* out) {
  constexpr int kVectors = kManyRegisters ? 4 : 2;
  static_assert(kOutputs % (kVectors * kLanes) == 0 || kOutputs < kVectors * kLanes);
  constexpr int kUsed = kOutputs < kVectors * kLanes ? kOutputs / kLanes : kVectors;
  for (int output = 0; output < kOutputs; output += kUsed * kLanes) {
    int row = 0;
    for (; row + 5 <= rows; row += 5)
      multiply_rows<kInputs, kOutputs, 5, kUsed>(in + row * kInputs, weights + output, out + row * kOutputs + output);
    for (; row < rows; ++row)
      multiply_rows<kInputs, kOutputs, 1, kUsed>(in + row * kInputs, weights + output, out + row * kOutputs + output);
  }
}

// products: [36][count][kOutputs]. Two pooled rows of two come out of each tile.
template <int kOutputs>
void transform_all_outputs(const WinogradConvolution& layer, const float* products, float* pooled, uint8_t* winners,
                           double* sums) {
  const Tiles grid(layer.shape);
  const int64_t plane = int64_t{grid.count()} * kOutputs;
  for (int channel = 0; channel < kOutputs; channel += kLanes) {
    ChannelSums<1> channel_sums(layer.centre + channel);
    const Floats bias = load(layer.bias + channel);
    for (int tile = 0; tile < grid.count(); ++tile) {
      const float* in = products + int64_t{tile} * kOutputs + channel;
      Floats half[24];  // A^T m, [4][6]
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) {
        Floats column[6];
#pragma GCC unroll 6
        for (int y = 0; y < 6; ++y) column[y] = load(in + (y * 6 + x) * plane);
        transform_output<6>(column, half + x);
      }
#pragma GCC unroll 2
      for (int y = 0; y < 2; ++y) {
        Floats above[4];
        Floats below[4];
        transform_output<1>(half + 12 * y, above);
        transform_output<1>(half + 12 * y + 6, below);
        const int64_t row = int64_t{tile / grid.columns} * 2 + y;
        const int64_t at = (row * layer.shape.pooled_width() + int64_t{tile % grid.columns} * 2) * kOutputs + channel;
#pragma GCC unroll 2
        for (int x = 0; x < 2; ++x) {
          const Floats value =
              pool_window(hn::Add(above[2 * x], bias), hn::Add(above[2 * x + 1], bias), hn::Add(below[2 * x], bias),
                          hn::Add(below[2 * x + 1], bias), winners + at + x * kOutputs);
          store(value, pooled + at + x * kOutputs);
          channel_sums.add(0, value);
        }
      }
    }
    channel_sums.add_to(sums + channel, kOutputs);
  }
}

template <int kInputs, int kOutputs>
void convolve(const WinogradConvolution& layer, const float* input, float* scratch, float* pooled, uint8_t* winners,
              double* sums) {
  const int tiles = Tiles(layer.shape).count();
  float* products = scratch + int64_t{36} * tiles * kInputs;
  transform_all_inputs<kInputs>(layer.shape, input, scratch);
  for (int i = 0; i < 36; ++i)
    multiply<kInputs, kOutputs>(scratch + int64_t{i} * tiles * kInputs, tiles,
                                layer.transformed_weights + int64_t{i} * kInputs * kOutputs,
                                products + int64_t{i} * tiles * kOutputs);
  transform_all_outputs<kOutputs>(layer, products, pooled, winners, sums);
}

void convolve_any(const WinogradConvolution& layer, const float* input, float* scratch, float* pooled, uint8_t* winners,
                  double* sums) {
  const BlockShape& shape = layer.shape;
  if (shape.pooled_height() % 2 != 0 || shape.pooled_width() % 2 != 0)
    throw std::invalid_argument("winograd_convolution: pooled height and width must be even");
  if (shape.input_channels == 16 && shape.output_channels == 32)
    return convolve<16, 32>(layer, input, scratch, pooled, winners, sums);
  if (shape.input_channels == 32 && shape.output_channels == 64)
    return convolve<32, 64>(layer, input, scratch, pooled, winners, sums);
  throw std::invalid_argument("winograd_convolution: 16 to 32 or 32 to 64 channels");
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(transform_weights);
HWY_EXPORT(convolve_any);

int64_t winograd_weights_size(const BlockShape& shape) {
  return int64_t{36} * shape.input_channels * shape.output_channels;
}

int64_t winograd_scratch_size(const BlockShape& shape) {
  const int64_t tiles = int64_t{shape.pooled_height() / 2} * (shape.pooled_width() / 2);
  return 36 * tiles * (shape.input_channels + shape.output_channels);
}

void winograd_transform_weights(const BlockShape& shape, const float* weights, const float* scale, int begin, int end,
                                float* transformed) {
  HWY_DYNAMIC_DISPATCH(transform_weights)(shape, weights, scale, begin, end, transformed);
}

void winograd_convolution(const WinogradConvolution& layer, const float* input, float* scratch, float* pooled,
                          uint8_t* winners, double* sums) {
  HWY_DYNAMIC_DISPATCH(convolve_any)(layer, input, scratch, pooled, winners, sums);
}

}  // namespace fer_ddp
#endif
