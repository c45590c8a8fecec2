#include "kernels/image_convolution.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/image_convolution.cpp"
#include <hwy/foreach_target.h>

#include "kernels/mapped_values_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// One image inside its border of zeros; the border itself is written once a call.
struct Bordered {
  int width;
  float* values;
  Bordered(const ConvolutionShape& shape, float* scratch) : width(shape.width + 2 * shape.padding), values(scratch) {
    std::fill_n(values, int64_t{shape.height + 2 * shape.padding} * width, 0.0F);
  }
  void take(const ConvolutionShape& shape, const float* image) const {
    for (int y = 0; y < shape.height; ++y)
      std::copy_n(image + int64_t{y} * shape.width, shape.width,
                  values + int64_t{y + shape.padding} * width + shape.padding);
  }
};

// kColumns outputs side by side in one vector of channels.
template <int kColumns>
HWY_INLINE void convolve_columns(const float* patch, int width, const Floats* weights, Floats* sums) {
#pragma GCC unroll 4
  for (int x = 0; x < kColumns; ++x) sums[x] = zeros();
#pragma GCC unroll 9
  for (int tap = 0; tap < 9; ++tap)
#pragma GCC unroll 4
    for (int x = 0; x < kColumns; ++x)
      sums[x] = hn::MulAdd(weights[tap], broadcast(patch[tap / 3 * width + tap % 3 + x]), sums[x]);
}

void convolve(const ConvolutionShape& shape, const float* weights, const float* images, int count, float* scratch,
              float* output, const float* centre, double* sums) {
  constexpr int kColumns = 4;
  constexpr int64_t kLarge = 16 * 1024;  // an activation that leaves the cache before it is read again
  const int channels = shape.output_channels;
  const bool past_cache =
      shape.output_size() >= kLarge && reinterpret_cast<uintptr_t>(output) % (kLanes * sizeof(float)) == 0;
  const Bordered image(shape, scratch);
  for (int i = 0; i < count; ++i) {
    image.take(shape, images + int64_t{i} * shape.height * shape.width);
    float* to = output + i * shape.output_size();
    for (int channel = 0; channel < channels; channel += kLanes) {
      Floats taps[9];
#pragma GCC unroll 9
      for (int tap = 0; tap < 9; ++tap) taps[tap] = load(weights + tap * channels + channel);
      const Floats middle = centre == nullptr ? zeros() : load(centre + channel);
      for (int y = 0; y < shape.output_height(); ++y) {
        const float* patch = image.values + int64_t{y} * image.width;
        float* row = to + int64_t{y} * shape.output_width() * channels + channel;
        Floats sum = zeros();
        Floats squares = zeros();
        const auto put = [&](Floats value, int x) {
          if (past_cache)
            hn::Stream(value, FloatTag(), row + int64_t{x} * channels);
          else
            store(value, row + int64_t{x} * channels);
          const Floats offset = hn::Sub(value, middle);
          sum = hn::Add(sum, offset);
          squares = hn::MulAdd(offset, offset, squares);
        };
        int x = 0;
        for (; x + kColumns <= shape.output_width(); x += kColumns) {
          Floats values[kColumns];
          convolve_columns<kColumns>(patch + x, image.width, taps, values);
#pragma GCC unroll 4
          for (int k = 0; k < kColumns; ++k) put(values[k], x + k);
        }
        for (; x < shape.output_width(); ++x) {
          Floats value[1];
          convolve_columns<1>(patch + x, image.width, taps, value);
          put(value[0], x);
        }
        if (sums != nullptr) {
          add_to_doubles(sum, sums + channel);
          add_to_doubles(squares, sums + channels + channel);
        }
      }
    }
  }
}

template <GradientKind kKind>
void add_gradients(const ConvolutionShape& shape, const float* images, const MappedGradient& gradient, int count,
                   float* scratch, float* weight_gradient) {
  const int channels = shape.output_channels;
  const int height = shape.output_height();
  const int width = shape.output_width();
  const Bordered image(shape, scratch);
  std::fill_n(weight_gradient, 9 * channels, 0.0F);
  for (int64_t i = 0; i < count; ++i) {
    image.take(shape, images + i * shape.height * shape.width);
    for (int channel = 0; channel < channels; channel += kLanes) {
      const GradientMap map = kKind == GradientKind::kPlain ? GradientMap() : GradientMap(gradient, channel);
      Floats taps[9];
#pragma GCC unroll 9
      for (Floats& tap : taps) tap = zeros();
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          const int64_t at = ((i * height + y) * width + x) * channels + channel;
          Floats dz = zeros();
          if constexpr (kKind == GradientKind::kPooled) {
            if (y / 2 < height / 2 && x / 2 < width / 2) {
              const int64_t pooled = ((i * (height / 2) + y / 2) * (width / 2) + x / 2) * channels + channel;
              const Ints winner = load_winners(gradient.winners + pooled);
              dz = hn::IfThenElseZero(hn::RebindMask(FloatTag(), hn::Eq(winner, hn::Set(IntTag(), y % 2 * 2 + x % 2))),
                                      load(gradient.gradient + pooled));
            }
          } else {
            dz = load(gradient.gradient + at);
          }
          if constexpr (kKind != GradientKind::kPlain) dz = map(dz, load(gradient.z.values + at));
          const float* patch = image.values + int64_t{y} * image.width + x;
#pragma GCC unroll 9
          for (int tap = 0; tap < 9; ++tap)
            taps[tap] = hn::MulAdd(dz, broadcast(patch[tap / 3 * image.width + tap % 3]), taps[tap]);
        }
      }
#pragma GCC unroll 9
      for (int tap = 0; tap < 9; ++tap) {
        float* to = weight_gradient + tap * channels + channel;
        store(hn::Add(load(to), taps[tap]), to);
      }
    }
  }
}

void add_any_gradients(const ConvolutionShape& shape, const float* images, const MappedGradient& gradient, int count,
                       float* scratch, float* weight_gradient) {
  switch (kind_of(gradient)) {
    case GradientKind::kPlain:
      return add_gradients<GradientKind::kPlain>(shape, images, gradient, count, scratch, weight_gradient);
    case GradientKind::kMapped:
      return add_gradients<GradientKind::kMapped>(shape, images, gradient, count, scratch, weight_gradient);
    case GradientKind::kPooled:
      return add_gradients<GradientKind::kPooled>(shape, images, gradient, count, scratch, weight_gradient);
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(convolve);
HWY_EXPORT(add_any_gradients);

int64_t image_convolution_scratch_size(const ConvolutionShape& shape) {
  return int64_t{shape.height + 2 * shape.padding} * (shape.width + 2 * shape.padding);
}

void image_convolution(const ConvolutionShape& shape, const float* weights, const float* images, int count,
                       float* scratch, float* output, const float* centre, double* sums) {
  HWY_DYNAMIC_DISPATCH(convolve)(shape, weights, images, count, scratch, output, centre, sums);
}

void image_convolution_gradient(const ConvolutionShape& shape, const float* images, const MappedGradient& gradient,
                                int count, float* scratch, float* weight_gradient) {
  HWY_DYNAMIC_DISPATCH(add_any_gradients)(shape, images, gradient, count, scratch, weight_gradient);
}

}  // namespace fer_ddp
#endif
