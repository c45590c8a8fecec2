#include "kernels/strided_convolution.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/strided_convolution.cpp"
#include <hwy/foreach_target.h>

#include "kernels/matrix_product_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// out [rows][columns] += a * b, for any number of columns that 16 divides.
HWY_INLINE void add_product(Product product, int rows, int columns, int depth) {
  for (int column = 0; column < columns; column += 32) {
    if (columns - column >= 32)
      multiply_columns<32>(product, rows, depth, true);
    else
      multiply_columns<16>(product, rows, depth, true);
    product.b += 32;
    product.out += 32;
  }
}

// What one tap of the kernel joins of one row of outputs: outputs [begin, end) of it, and the input of the first.
struct TapRow {
  int begin = 0, end = 0;
  int64_t input = 0, output = 0;  // floats from the image's first

  TapRow(const StridedShape& shape, int tap, int y) {
    const int row = y * shape.stride + tap / shape.kernel - shape.padding;
    const int offset = tap % shape.kernel - shape.padding;  // the input's column of output 0
    if (row < 0 || row >= shape.height || offset >= shape.width) return;
    begin = offset >= 0 ? 0 : (-offset + shape.stride - 1) / shape.stride;
    end = std::min(shape.output_width(), (shape.width - 1 - offset) / shape.stride + 1);
    end = std::max(begin, end);
    input = (int64_t{row} * shape.width + int64_t{begin} * shape.stride + offset) * shape.input_channels;
    output = (int64_t{y} * shape.output_width() + begin) * shape.output_channels;
  }
  [[nodiscard]] int count() const { return end - begin; }
};

template <typename Work>
HWY_INLINE void for_each_tap_row(const StridedShape& shape, int images, const Work& work) {
  for (int64_t image = 0; image < images; ++image)
    for (int y = 0; y < shape.output_height(); ++y)
      for (int tap = 0; tap < shape.taps(); ++tap) {
        const TapRow row(shape, tap, y);
        if (row.count() > 0)
          work(tap, row, image * shape.input_size() + row.input, image * shape.output_size() + row.output);
      }
}

void add_row_sums(const float* row, int width, int channels, const float* centre, double* sums) {
  for (int channel = 0; channel < channels; channel += kLanes) {
    ChannelSums<1> channel_sums(centre + channel);
    for (int x = 0; x < width; ++x) channel_sums.add(0, load(row + int64_t{x} * channels + channel));
    channel_sums.add_to(sums + channel, channels);
  }
}

void convolve(const StridedShape& shape, const float* weights, const float* input, int images, float* output,
              const float* centre, double* sums) {
  const int inputs = shape.input_channels;
  const int outputs = shape.output_channels;
  std::fill_n(output, images * shape.output_size(), 0.0F);
  for_each_tap_row(shape, images, [&](int tap, const TapRow& row, int64_t from, int64_t to) {
    add_product({.a = input + from,
                 .row_stride = int64_t{shape.stride} * inputs,
                 .k_stride = 1,
                 .b = weights + int64_t{tap} * inputs * outputs,
                 .b_stride = outputs,
                 .out = output + to,
                 .out_stride = outputs},
                row.count(), outputs, inputs);
  });
  if (sums == nullptr) return;
  for (int64_t row = 0; row < int64_t{images} * shape.output_height(); ++row)
    add_row_sums(output + row * shape.output_width() * outputs, shape.output_width(), outputs, centre, sums);
}

void add_input_gradient(const StridedShape& shape, const float* transposed, const float* gradient, int images,
                        float* input_gradient) {
  const int inputs = shape.input_channels;
  const int outputs = shape.output_channels;
  for_each_tap_row(shape, images, [&](int tap, const TapRow& row, int64_t to, int64_t from) {
    add_product({.a = gradient + from,
                 .row_stride = outputs,
                 .k_stride = 1,
                 .b = transposed + int64_t{tap} * inputs * outputs,
                 .b_stride = inputs,
                 .out = input_gradient + to,
                 .out_stride = int64_t{shape.stride} * inputs},
                row.count(), inputs, outputs);
  });
}

void weight_gradient(const StridedShape& shape, const float* input, const float* gradient, int images,
                     float* weight_gradient) {
  const int inputs = shape.input_channels;
  const int outputs = shape.output_channels;
  std::fill_n(weight_gradient, shape.weights(), 0.0F);
  for_each_tap_row(shape, images, [&](int tap, const TapRow& row, int64_t from, int64_t by) {
    add_product({.a = input + from,
                 .row_stride = 1,
                 .k_stride = int64_t{shape.stride} * inputs,
                 .b = gradient + by,
                 .b_stride = outputs,
                 .out = weight_gradient + int64_t{tap} * inputs * outputs,
                 .out_stride = outputs},
                inputs, outputs, row.count());
  });
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(convolve);
HWY_EXPORT(add_input_gradient);
HWY_EXPORT(weight_gradient);

void transpose_weights(const StridedShape& shape, const float* weights, float* transposed) {
  const int64_t inputs = shape.input_channels;
  const int64_t outputs = shape.output_channels;
  for (int64_t tap = 0; tap < shape.taps(); ++tap)
    for (int64_t output = 0; output < outputs; ++output)
      for (int64_t input = 0; input < inputs; ++input)
        transposed[(tap * outputs + output) * inputs + input] = weights[(tap * inputs + input) * outputs + output];
}

void strided_convolution(const StridedShape& shape, const float* weights, const float* input, int images, float* output,
                         const float* centre, double* sums) {
  HWY_DYNAMIC_DISPATCH(convolve)(shape, weights, input, images, output, centre, sums);
}

void add_strided_input_gradient(const StridedShape& shape, const float* transposed_weights,
                                const float* output_gradient, int images, float* input_gradient) {
  HWY_DYNAMIC_DISPATCH(add_input_gradient)(shape, transposed_weights, output_gradient, images, input_gradient);
}

void strided_weight_gradient(const StridedShape& shape, const float* input, const float* output_gradient, int images,
                             float* gradient) {
  HWY_DYNAMIC_DISPATCH(weight_gradient)(shape, input, output_gradient, images, gradient);
}

}  // namespace fer_ddp
#endif
