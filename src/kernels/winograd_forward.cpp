#include <algorithm>
#include <stdexcept>

#include "kernels/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_forward.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>

#include "kernels/winograd_planes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// 16 x 16 channels at a time, by way of a block in the first- or second-level cache.
template <int kOutputs>
void transform_weights(const WinogradPlan& plan, const float* weights, int begin, int end, float* forward,
                       float* transposed) {
  constexpr int kSide = Winograd<kOutputs>::kSide;
  constexpr int kPoints = kSide * kSide;
  constexpr int kBlock = 16;
  const int inputs = plan.shape.input_channels;
  const int outputs = plan.shape.output_channels;
  const int64_t tap = int64_t{inputs} * outputs;
  HWY_ALIGN float block[kPoints][kBlock][kBlock];  // [point][input][output]
  for (int input = begin; input < end; input += kBlock) {
    for (int output = 0; output < outputs; output += kBlock) {
      for (int i = 0; i < kBlock; ++i) {
        for (int o = 0; o < kBlock; o += kLanes) {
          const float* from = weights + int64_t{input + i} * outputs + output + o;
          Floats half[kSide * 3];
          for (int x = 0; x < 3; ++x) {
            const Floats column[3] = {load(from + x * tap), load(from + (3 + x) * tap), load(from + (6 + x) * tap)};
            Winograd<kOutputs>::template filter<3>(column, half + x);
          }
          for (int y = 0; y < kSide; ++y) {
            Floats row[kSide];
            Winograd<kOutputs>::template filter<1>(half + 3 * y, row);
#pragma GCC unroll 8
            for (int x = 0; x < kSide; ++x) store(row[x], &block[y * kSide + x][i][o]);
          }
        }
      }
      const int panel = output / kPanel * kPanel;
      const int width = std::min(kPanel, outputs - panel);
      const int turned_panel = input / kPanel * kPanel;
      const int turned_width = std::min(kPanel, inputs - turned_panel);
      for (int point = 0; point < kPoints; ++point) {
        float* to = forward + (int64_t{point} * outputs + panel) * inputs + int64_t{input} * width + (output - panel);
        for (int i = 0; i < kBlock; ++i) std::copy_n(block[point][i], kBlock, to + int64_t{i} * width);
        if (transposed == nullptr) continue;
        float* turned = transposed + (int64_t{point} * inputs + turned_panel) * outputs +
                        int64_t{output} * turned_width + (input - turned_panel);
        for (int o = 0; o < kBlock; ++o)
          for (int i = 0; i < kBlock; ++i) turned[int64_t{o} * turned_width + i] = block[point][i][o];
      }
    }
  }
}

// Outputs of the group's tiles from their products, and their sums.
template <int kOutputs>
HWY_NOINLINE void transform_outputs(const WinogradPlan& plan, const float* products, int64_t first, int tiles,
                                    std::span<const int> leaves, float* output, const float* centre, double* sums) {
  constexpr int kSide = Winograd<kOutputs>::kSide;
  const ConvolutionShape& shape = plan.shape;
  const int channels = shape.output_channels;
  const int64_t row_stride = int64_t{shape.output_width()} * channels;
  const PlaneLayout layout(tiles, channels);
  // Large activations leave the cache before they are read again: written past it, they need not be fetched first.
  constexpr int64_t kLarge = 16 * 1024;
  const bool past_cache =
      shape.output_size() >= kLarge && reinterpret_cast<uintptr_t>(output) % (kLanes * sizeof(float)) == 0;
  size_t leaf = 0;
  for (int t = 0; t < tiles; ++t) {
    const TilePlace place(plan, first + t);
    while (place.image >= leaves[leaf + 1]) ++leaf;
    double* leaf_sums = sums + leaf * 2 * static_cast<size_t>(channels);
    const int height = std::min(kOutputs, shape.output_height() - place.y);
    const int width = std::min(kOutputs, shape.output_width() - place.x);
    float* corner = output + place.image * shape.output_size() + place.y * row_stride + int64_t{place.x} * channels;
    for (int channel = 0; channel < channels; channel += kLanes) {
      const float* from = products + t * layout.row + channel;
      Floats half[kOutputs * kSide];
      for (int x = 0; x < kSide; ++x) {
        Floats column[kSide];
#pragma GCC unroll 8
        for (int y = 0; y < kSide; ++y) column[y] = load(from + (y * kSide + x) * layout.plane);
        Winograd<kOutputs>::template output<kSide>(column, half + x);
      }
      const Floats middle = centre == nullptr ? zeros() : load(centre + channel);
      Floats sum = zeros();
      Floats squares = zeros();
      for (int y = 0; y < height; ++y) {
        Floats row[kOutputs];
        Winograd<kOutputs>::template output<1>(half + y * kSide, row);
        float* to = corner + y * row_stride + channel;
#pragma GCC unroll 6
        for (int x = 0; x < kOutputs; ++x) {
          if (x >= width) break;
          if (past_cache)
            hn::Stream(row[x], FloatTag(), to + int64_t{x} * channels);
          else
            store(row[x], to + int64_t{x} * channels);
          const Floats offset = hn::Sub(row[x], middle);
          sum = hn::Add(sum, offset);
          squares = hn::MulAdd(offset, offset, squares);
        }
      }
      if (sums != nullptr) {
        add_to_doubles(sum, leaf_sums + channel);
        add_to_doubles(squares, leaf_sums + channels + channel);
      }
    }
  }
}

template <int kOutputs>
void forward(const WinogradPlan& plan, const float* weights, const MappedValues& input, std::span<const int> leaves,
             float* scratch, float* output, const float* centre, double* sums) {
  const int64_t all = leaves.back() * plan.tiles();
  const int inputs = plan.shape.input_channels;
  const int outputs = plan.shape.output_channels;
  for (int64_t first = leaves.front() * plan.tiles(); first < all; first += plan.group) {
    const int tiles = static_cast<int>(std::min<int64_t>(plan.group, all - first));
    float* products = scratch + plan.points() * PlaneLayout(tiles, inputs).plane;
    if (input.scale == nullptr)
      transform_inputs<kOutputs, false>(plan, input, first, tiles, scratch);
    else
      transform_inputs<kOutputs, true>(plan, input, first, tiles, scratch);
    Ahead ahead(plan, first + tiles, all);
    ahead.add(input.values, plan.shape.height, plan.shape.width, inputs);
    multiply_points(plan.points(), tiles, scratch, inputs, weights, outputs, products, ahead);
    transform_outputs<kOutputs>(plan, products, first, tiles, leaves, output, centre, sums);
  }
  hwy::FlushStream();  // before another thread is told that they are there
}

void transform_weights_any(const WinogradPlan& plan, const float* weights, int begin, int end, float* forward,
                           float* transposed) {
  if (plan.outputs == 4)
    transform_weights<4>(plan, weights, begin, end, forward, transposed);
  else
    transform_weights<6>(plan, weights, begin, end, forward, transposed);
}

void forward_any(const WinogradPlan& plan, const float* weights, const MappedValues& input, std::span<const int> leaves,
                 float* scratch, float* output, const float* centre, double* sums) {
  if (plan.outputs == 4)
    forward<4>(plan, weights, input, leaves, scratch, output, centre, sums);
  else
    forward<6>(plan, weights, input, leaves, scratch, output, centre, sums);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(transform_weights_any);
HWY_EXPORT(forward_any);

namespace {

// Estimated vector operations of an image's forward pass.
int64_t cost(const WinogradPlan& plan) {
  const int64_t inputs = plan.shape.input_channels;
  const int64_t outputs = plan.shape.output_channels;
  return plan.tiles() * plan.points() * (inputs * outputs + 6 * (inputs + outputs));
}

// Few enough to stay in the second-level cache with what is read and written meanwhile; where the weights do not stay
// there either, enough to be worth reading them for. Measured on a Zen 4 with 1 MiB of it.
int group_of(const WinogradPlan& plan) {
  constexpr int64_t kCacheFloats = 64 * 1024;
  constexpr int64_t kManyWeights = 128 * 256;
  const int64_t inputs = plan.shape.input_channels;
  const int64_t outputs = plan.shape.output_channels;
  if (inputs * outputs >= kManyWeights) return 64;
  return static_cast<int>(std::clamp<int64_t>(kCacheFloats / (plan.points() * (inputs + outputs)) / 16 * 16, 16, 48));
}

}  // namespace

WinogradPlan plan_winograd(const ConvolutionShape& shape) {
  if (shape.input_channels % 16 != 0 || shape.output_channels % 16 != 0 || shape.padding < 0 || shape.padding > 1)
    throw std::invalid_argument("plan_winograd: channels must be multiples of 16, padding 0 or 1");
  WinogradPlan small{.shape = shape, .outputs = 4};
  WinogradPlan large{.shape = shape, .outputs = 6};
  WinogradPlan plan = cost(small) < cost(large) ? small : large;
  plan.group = group_of(plan);
  return plan;
}

int64_t winograd_weights_size(const WinogradPlan& plan) {
  return int64_t{plan.points()} * plan.shape.input_channels * plan.shape.output_channels;
}

int64_t winograd_forward_scratch_size(const WinogradPlan& plan) {
  return plan.points() * (PlaneLayout(plan.group, plan.shape.input_channels).plane +
                          PlaneLayout(plan.group, plan.shape.output_channels).plane);
}

void winograd_transform_weights(const WinogradPlan& plan, const float* weights, int begin, int end, float* forward,
                                float* transposed) {
  HWY_DYNAMIC_DISPATCH(transform_weights_any)(plan, weights, begin, end, forward, transposed);
}

void winograd_forward(const WinogradPlan& plan, const float* transformed_weights, const MappedValues& input,
                      std::span<const int> leaves, float* scratch, float* output, const float* centre, double* sums) {
  HWY_DYNAMIC_DISPATCH(forward_any)(plan, transformed_weights, input, leaves, scratch, output, centre, sums);
}

}  // namespace fer_ddp
#endif
