#include "kernels/strided_convolution.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/strided_convolution.cpp"
#include <hwy/foreach_target.h>

#include "kernels/matrix_product_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// A block of the work: so many positions of the output, in all of its channels, and so many channels of the input.
constexpr int kMostPositions = 128;
constexpr int kMostChannels = 128;

// What is gathered for a block, or computed before it is scattered: a row a position.
struct Panel {
  HWY_ALIGN float values[kMostPositions * kMostChannels];
};

// out [rows][columns] (+)= a * b, for any number of columns that 16 divides.
HWY_INLINE void multiply(Product product, int rows, int columns, int depth, bool add) {
  for (int column = 0; column < columns; column += 32) {
    if (columns - column >= 32)
      multiply_columns<32>(product, rows, depth, add);
    else
      multiply_columns<16>(product, rows, depth, add);
    product.b += 32;
    product.out += 32;
  }
}

// Positions are counted through all images. Calls work(first, count) with whole images, or with equal parts of one, so
// that an image's block begins where it does whatever the other images are.
template <typename Work>
HWY_INLINE void for_each_block(const StridedShape& shape, int images, const Work& work) {
  const int64_t positions = int64_t{shape.output_height()} * shape.output_width();
  const int64_t all = images * positions;
  const int64_t at_once = std::max<int64_t>(kMostPositions / positions, 1) * positions;
  const int64_t parts = (positions + kMostPositions - 1) / kMostPositions;
  const int64_t step = parts == 1 ? at_once : (positions + parts - 1) / parts;
  for (int64_t begin = 0; begin < all; begin += at_once) {
    const int64_t end = std::min(begin + at_once, all);
    for (int64_t first = begin; first < end; first += step) work(first, static_cast<int>(std::min(step, end - first)));
  }
}

// Whether the tap lies within the picture anywhere along a side: of small pictures some never do.
bool meets(const StridedShape& shape, int offset, int side, int outputs) {
  for (int i = 0; i < outputs; ++i)
    if (const int at = i * shape.stride + offset - shape.padding; at >= 0 && at < side) return true;
  return false;
}

// Calls work(tap) for those that lie within the picture anywhere.
template <typename Work>
HWY_INLINE void for_each_tap(const StridedShape& shape, const Work& work) {
  for (int tap = 0; tap < shape.taps(); ++tap)
    if (meets(shape, tap / shape.kernel, shape.height, shape.output_height()) &&
        meets(shape, tap % shape.kernel, shape.width, shape.output_width()))
      work(tap);
}

// Calls work(number in the block, the tap's input as floats from the first) for each position of the block; -1: the tap
// lies outside of the picture.
template <typename Work>
HWY_INLINE void for_each_tap_input(const StridedShape& shape, int tap, int64_t first, int count, const Work& work) {
  const int64_t width = shape.output_width();
  const int64_t positions = shape.output_height() * width;
  int64_t image = first / positions;
  int64_t y = first % positions / width;
  int64_t x = first % width;
  for (int i = 0; i < count; ++i) {
    const int64_t row = y * shape.stride + tap / shape.kernel - shape.padding;
    const int64_t column = x * shape.stride + tap % shape.kernel - shape.padding;
    const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
    work(i, inside ? ((image * shape.height + row) * shape.width + column) * shape.input_channels : -1);
    if (++x < width) continue;
    x = 0;
    if (++y < shape.output_height()) continue;
    y = 0;
    ++image;
  }
}

// An output is one input: nothing to gather or to scatter.
bool is_pointwise(const StridedShape& shape) { return shape.kernel == 1 && shape.stride == 1 && shape.padding == 0; }

// Channels [channel, channel + channels) of the tap's inputs, zeros outside of the picture, as rows of a product.
HWY_INLINE Product gathered(const StridedShape& shape, const float* input, int tap, int64_t first, int count,
                            int channel, int channels, Panel& panel) {
  if (is_pointwise(shape))
    return {.a = input + first * shape.input_channels + channel, .row_stride = shape.input_channels};
  for_each_tap_input(shape, tap, first, count, [&](int i, int64_t from) {
    float* row = panel.values + int64_t{i} * channels;
    for (int c = 0; c < channels; c += kLanes) store(from < 0 ? zeros() : load(input + from + channel + c), row + c);
  });
  return {.a = panel.values, .row_stride = channels};
}

// Calls work(channel, channels) for the input's channels, some at once.
template <typename Work>
HWY_INLINE void for_each_channels(const StridedShape& shape, const Work& work) {
  for (int channel = 0; channel < shape.input_channels; channel += kMostChannels)
    work(channel, std::min(kMostChannels, shape.input_channels - channel));
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
  Panel panel;
  for_each_block(shape, images, [&](int64_t first, int count) {
    for_each_tap(shape, [&](int tap) {
      for_each_channels(shape, [&](int channel, int channels) {
        Product product = gathered(shape, input, tap, first, count, channel, channels, panel);
        product.k_stride = 1;
        product.b = weights + (int64_t{tap} * inputs + channel) * outputs;
        product.b_stride = outputs;
        product.out = output + first * outputs;
        product.out_stride = outputs;
        multiply(product, count, outputs, channels, true);
      });
    });
  });
  if (sums == nullptr) return;
  for (int64_t row = 0; row < int64_t{images} * shape.output_height(); ++row)
    add_row_sums(output + row * shape.output_width() * outputs, shape.output_width(), outputs, centre, sums);
}

void add_input_gradient(const StridedShape& shape, const float* transposed, const float* gradient, int images,
                        float* input_gradient) {
  const int inputs = shape.input_channels;
  const int outputs = shape.output_channels;
  Panel panel;
  for_each_block(shape, images, [&](int64_t first, int count) {
    for_each_tap(shape, [&](int tap) {
      for_each_channels(shape, [&](int channel, int channels) {
        Product product = {.a = gradient + first * outputs,
                           .row_stride = outputs,
                           .k_stride = 1,
                           .b = transposed + int64_t{tap} * inputs * outputs + channel,
                           .b_stride = inputs,
                           .out = panel.values,
                           .out_stride = channels};
        if (is_pointwise(shape)) {
          product.out = input_gradient + first * inputs + channel;
          product.out_stride = inputs;
          multiply(product, count, channels, outputs, true);
          return;
        }
        multiply(product, count, channels, outputs, false);
        for_each_tap_input(shape, tap, first, count, [&](int i, int64_t to) {
          if (to < 0) return;
          const float* row = panel.values + int64_t{i} * channels;
          float* sum = input_gradient + to + channel;
          for (int c = 0; c < channels; c += kLanes) store(hn::Add(load(sum + c), load(row + c)), sum + c);
        });
      });
    });
  });
}

void weight_gradient(const StridedShape& shape, const float* input, const float* gradient, int images,
                     float* weight_gradient) {
  const int inputs = shape.input_channels;
  const int outputs = shape.output_channels;
  std::fill_n(weight_gradient, shape.weights(), 0.0F);
  Panel panel;
  for_each_block(shape, images, [&](int64_t first, int count) {
    for_each_tap(shape, [&](int tap) {
      for_each_channels(shape, [&](int channel, int channels) {
        // Transposed: a row of the product is a channel of the input, and its sums run over the outputs.
        Product product = gathered(shape, input, tap, first, count, channel, channels, panel);
        product.k_stride = product.row_stride;
        product.row_stride = 1;
        product.b = gradient + first * outputs;
        product.b_stride = outputs;
        product.out = weight_gradient + (int64_t{tap} * inputs + channel) * outputs;
        product.out_stride = outputs;
        multiply(product, channels, outputs, count, true);
      });
    });
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
