#include <algorithm>

#include "kernels/winograd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_backward.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>

#include "kernels/winograd_planes_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// The gradients of one tile's outputs in 16 channels or fewer, zero outside the image: dz[kOutputs][kOutputs].
template <int kOutputs, GradientKind kKind>
HWY_INLINE void gather_gradient(const ConvolutionShape& shape, const MappedGradient& gradient, const TilePlace& place,
                                int channel, Floats* dz) {
  const int channels = shape.output_channels;
  const int width = shape.output_width();
  const int height = shape.output_height();
  const int rows = std::min(kOutputs, height - place.y);
  const int columns = std::min(kOutputs, width - place.x);
  if (rows < kOutputs || columns < kOutputs)
    for (int i = 0; i < kOutputs * kOutputs; ++i) dz[i] = zeros();
  const int64_t corner =
      ((place.image * height + place.y) * width + place.x) * channels + channel;  // among the outputs
  if constexpr (kKind == GradientKind::kPlain) {
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < columns; ++x)
        dz[y * kOutputs + x] = load(gradient.gradient + corner + (int64_t{y} * width + x) * channels);
  } else if constexpr (kKind == GradientKind::kMapped) {
    const GradientMap map(gradient, channel);
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < columns; ++x) {
        const int64_t at = corner + (int64_t{y} * width + x) * channels;
        dz[y * kOutputs + x] = map(load(gradient.gradient + at), load(gradient.z.values + at));
      }
  } else {
    const GradientMap map(gradient, channel);
    const int pooled_height = height / 2;
    const int pooled_width = width / 2;
    for (int y = 0; y < rows; y += 2) {
      for (int x = 0; x < columns; x += 2) {
        const int row = (place.y + y) / 2;
        const int column = (place.x + x) / 2;
        Floats dy = zeros();
        Ints winner = hn::Set(IntTag(), 4);
        if (row < pooled_height && column < pooled_width) {
          const int64_t at = ((place.image * pooled_height + row) * pooled_width + column) * channels + channel;
          dy = load(gradient.gradient + at);
          winner = load_winners(gradient.winners + at);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          const int below = i / 2;
          const int right = i % 2;
          if (y + below >= rows || x + right >= columns) continue;
          const FloatMask won = hn::RebindMask(FloatTag(), hn::Eq(winner, hn::Set(IntTag(), i)));
          const Floats z = load(gradient.z.values + corner + (int64_t{y + below} * width + x + right) * channels);
          dz[(y + below) * kOutputs + x + right] = map(hn::IfThenElseZero(won, dy), z);
        }
      }
    }
  }
}

template <int kOutputs, GradientKind kKind>
HWY_NOINLINE void transform_gradients(const WinogradPlan& plan, const MappedGradient& gradient, int64_t first,
                                      int tiles, float* planes) {
  constexpr int kSide = Winograd<kOutputs>::kSide;
  const int channels = plan.shape.output_channels;
  const PlaneLayout layout(tiles, channels);
  for (int t = 0; t < tiles; ++t) {
    const TilePlace place(plan, first + t);
    for (int channel = 0; channel < channels; channel += kLanes) {
      Floats dz[kOutputs * kOutputs];
      gather_gradient<kOutputs, kKind>(plan.shape, gradient, place, channel, dz);
      Floats half[kOutputs * kSide];  // [column][side]
      for (int x = 0; x < kOutputs; ++x) {
        Floats column[kOutputs];
#pragma GCC unroll 6
        for (int y = 0; y < kOutputs; ++y) column[y] = dz[y * kOutputs + x];
        Winograd<kOutputs>::template output_adjoint<kOutputs>(column, half + x);
      }
      float* to = planes + t * layout.row + channel;
      for (int y = 0; y < kSide; ++y) {
        Floats row[kSide];
        Winograd<kOutputs>::template output_adjoint<1>(half + y * kOutputs, row);
#pragma GCC unroll 8
        for (int x = 0; x < kSide; ++x) store(row[x], to + (y * kSide + x) * layout.plane);
      }
    }
  }
}

// Asks for the rows of a block of transformed tiles that is to be multiplied next.
HWY_INLINE void prefetch_rows(const float* first, int64_t stride, int rows, int width) {
  for (int row = 0; row < rows; ++row)
    for (int at = 0; at < width; at += 16) hwy::Prefetch(first + row * stride + at);
}

// block [points][inputs][outputs] = the product over `depth` of the group's tiles of some inputs and some outputs.
template <int kOutputs>
HWY_INLINE void multiply_weight_block(const WinogradPlan& plan, const float* inputs_at, const float* gradients,
                                      int tiles, int depth, int inputs, int outputs, float* block) {
  constexpr int kPoints = Winograd<kOutputs>::kSide * Winograd<kOutputs>::kSide;
  const PlaneLayout from(tiles, plan.shape.input_channels);
  const PlaneLayout by(tiles, plan.shape.output_channels);
  const int64_t plane = weight_block_plane(inputs, outputs);
  constexpr int64_t kCached = 128 * 1024;  // floats that the second-level cache surely has
  const bool ahead = kPoints * (from.plane + by.plane) > kCached;
  for (int point = 0; point < kPoints; ++point) {
    if (ahead && point + 1 < kPoints) {
      prefetch_rows(inputs_at + (point + 1) * from.plane, from.row, depth, inputs);
      prefetch_rows(gradients + (point + 1) * by.plane, by.row, depth, outputs);
    }
    for (int output = 0; output < outputs; output += kPanel) {
      const Product product{.a = inputs_at + point * from.plane,
                            .row_stride = 1,
                            .k_stride = from.row,
                            .b = gradients + point * by.plane + output,
                            .b_stride = by.row,
                            .out = block + point * plane + output,
                            .out_stride = outputs};
      if (outputs - output >= kPanel)
        multiply_columns<kPanel>(product, inputs, depth, false);
      else
        multiply_columns<kPanel / 2>(product, inputs, depth, false);
    }
  }
}

// The weights' gradient of `depth` of a group's tiles, some inputs and some outputs at a time.
template <int kOutputs>
HWY_NOINLINE void add_weight_gradient(const WinogradPlan& plan, const float* inputs_at, const float* gradients,
                                      int tiles, int depth, bool add, float* block, float* weights) {
  constexpr int kSide = Winograd<kOutputs>::kSide;
  const int inputs = plan.shape.input_channels;
  const int outputs = plan.shape.output_channels;
  const int64_t tap = int64_t{inputs} * outputs;
  for (int output = 0; output < outputs; output += kOutputBlock) {
    const int width = std::min(kOutputBlock, outputs - output);
    for (int input = 0; input < inputs; input += kInputBlock) {
      const int height = std::min(kInputBlock, inputs - input);
      const int64_t plane = weight_block_plane(height, width);
      multiply_weight_block<kOutputs>(plan, inputs_at + input, gradients + output, tiles, depth, height, width, block);
      for (int i = 0; i < height; ++i) {
        for (int o = 0; o < width; o += kLanes) {
          Floats half[3 * kSide];
          for (int x = 0; x < kSide; ++x) {
            Floats column[kSide];
            const float* from = block + x * plane + i * width + o;
#pragma GCC unroll 8
            for (int y = 0; y < kSide; ++y) column[y] = load(from + y * kSide * plane);
            Winograd<kOutputs>::template filter_adjoint<kSide>(column, half + x);
          }
          float* to = weights + int64_t{input + i} * outputs + output + o;
          for (int y = 0; y < 3; ++y) {
            Floats row[3];
            Winograd<kOutputs>::template filter_adjoint<1>(half + y * kSide, row);
            for (int x = 0; x < 3; ++x) {
              float* at = to + (y * 3 + x) * tap;
              store(add ? hn::Add(load(at), row[x]) : row[x], at);
            }
          }
        }
      }
    }
  }
}

// The inputs' gradients from the group's products. Tiles overlap by two rows and columns: what a tile above or on the
// left has written is added to.
template <int kOutputs>
HWY_NOINLINE void add_input_gradients(const WinogradPlan& plan, const float* products, int64_t first, int tiles,
                                      bool add, float* gradient) {
  constexpr int kSide = Winograd<kOutputs>::kSide;
  const ConvolutionShape& shape = plan.shape;
  const int channels = shape.input_channels;
  const int64_t row_stride = int64_t{shape.width} * channels;
  const PlaneLayout layout(tiles, channels);
  for (int t = 0; t < tiles; ++t) {
    const TilePlace place(plan, first + t);
    const int top = place.y - shape.padding;
    const int left = place.x - shape.padding;
    const Inside rows(top, kSide, shape.height);
    const Inside columns(left, kSide, shape.width);
    const int64_t corner = place.image * shape.input_size() + top * row_stride + int64_t{left} * channels;
    for (int channel = 0; channel < channels; channel += kLanes) {
      const float* from = products + t * layout.row + channel;
      Floats half[kSide * kSide];
      for (int x = 0; x < kSide; ++x) {
        Floats column[kSide];
#pragma GCC unroll 8
        for (int y = 0; y < kSide; ++y) column[y] = load(from + (y * kSide + x) * layout.plane);
        Winograd<kOutputs>::template input_adjoint<kSide>(column, half + x);
      }
      for (int y = rows.begin; y < rows.end; ++y) {
        Floats row[kSide];
        Winograd<kOutputs>::template input_adjoint<1>(half + y * kSide, row);
        float* to = gradient + (corner + y * row_stride + channel);
        const bool add_row = add || (y < 2 && place.y > 0);
        const bool add_left = add_row || place.x > 0;
#pragma GCC unroll 8
        for (int x = 0; x < kSide; ++x) {
          if (x < columns.begin || x >= columns.end) continue;
          float* at = to + int64_t{x} * channels;
          store((x < 2 ? add_left : add_row) ? hn::Add(load(at), row[x]) : row[x], at);
        }
      }
    }
  }
}

// One image's sums for the normalisation before.
void add_live_sums(const ConvolutionShape& shape, const MappedValues& input, const ConvolutionGradients& gradients,
                   int64_t image, double* sums) {
  const int channels = shape.input_channels;
  for (int channel = 0; channel < channels; channel += kLanes)
    for (int y = 0; y < shape.height; ++y)
      add_live_row(input, gradients.input, gradients.mean,
                   image * shape.input_size() + int64_t{y} * shape.width * channels, shape.width, channels, channel,
                   sums);
}

template <int kOutputs>
void transform_any_gradients(const WinogradPlan& plan, const MappedGradient& gradient, int64_t first, int tiles,
                             float* planes) {
  switch (kind_of(gradient)) {
    case GradientKind::kPlain:
      return transform_gradients<kOutputs, GradientKind::kPlain>(plan, gradient, first, tiles, planes);
    case GradientKind::kMapped:
      return transform_gradients<kOutputs, GradientKind::kMapped>(plan, gradient, first, tiles, planes);
    case GradientKind::kPooled:
      return transform_gradients<kOutputs, GradientKind::kPooled>(plan, gradient, first, tiles, planes);
  }
}

Ahead ahead_of(const WinogradPlan& plan, const MappedValues& input, const MappedGradient& gradient, int64_t first,
               int64_t all, const float* input_gradient) {
  const ConvolutionShape& shape = plan.shape;
  const int shrunk = gradient.winners == nullptr ? 1 : 2;
  Ahead ahead(plan, first, all);
  ahead.add(gradient.gradient, shape.output_height() / shrunk, shape.output_width() / shrunk, shape.output_channels);
  if (gradient.z.scale != nullptr)
    ahead.add(gradient.z.values, shape.output_height(), shape.output_width(), shape.output_channels);
  ahead.add(input.values, shape.height, shape.width, shape.input_channels);
  ahead.add(input_gradient, shape.height, shape.width, shape.input_channels);
  return ahead;
}

// A run of tiles of one leaf whose part of the weights' gradient is added at once. Where pieces begin depends on the
// leaf alone.
struct Piece {
  size_t leaf;
  int64_t begin, end;  // tiles
  bool first;          // of the leaf
};

// Goes through a call's pieces.
class Pieces {
 public:
  Pieces(const WinogradPlan& plan, std::span<const int> leaves) : plan_(&plan), leaves_(leaves) {
    find(0, begin_of(0));
  }
  [[nodiscard]] bool done() const { return piece_.leaf + 1 >= leaves_.size(); }
  [[nodiscard]] const Piece& piece() const { return piece_; }
  void next() { find(piece_.leaf, piece_.end); }

 private:
  [[nodiscard]] int64_t begin_of(size_t leaf) const { return leaves_[leaf] * plan_->tiles(); }
  void find(size_t leaf, int64_t begin) {
    while (leaf + 1 < leaves_.size() && begin >= begin_of(leaf + 1)) ++leaf;
    const int64_t end = leaf + 1 < leaves_.size() ? std::min(begin_of(leaf + 1), begin + plan_->group) : begin;
    piece_ = {leaf, begin, end, begin == begin_of(leaf)};
  }
  const WinogradPlan* plan_;
  std::span<const int> leaves_;
  Piece piece_{};
};

template <int kOutputs>
void backward(const WinogradPlan& plan, const float* transposed_weights, const MappedValues& input,
              const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
              const ConvolutionGradients& gradients) {
  const int64_t all = leaves.back() * plan.tiles();
  const int inputs = plan.shape.input_channels;
  const int outputs = plan.shape.output_channels;
  int64_t summed = leaves.front();  // the first image whose sums are not taken
  size_t summed_leaf = 0;
  for (Pieces pieces(plan, leaves); !pieces.done();) {
    const int64_t first = pieces.piece().begin;
    Pieces after = pieces;
    while (!after.done() && after.piece().end - first <= plan.group) after.next();
    const int64_t end = after.done() ? all : after.piece().begin;
    const int tiles = static_cast<int>(end - first);
    const PlaneLayout from(tiles, inputs);
    const PlaneLayout by(tiles, outputs);
    float* transformed = scratch;
    float* transformed_gradients = transformed + plan.points() * from.plane;
    float* block = transformed_gradients + plan.points() * by.plane;
    if (input.scale == nullptr)
      transform_inputs<kOutputs, false>(plan, input, first, tiles, transformed);
    else
      transform_inputs<kOutputs, true>(plan, input, first, tiles, transformed);
    transform_any_gradients<kOutputs>(plan, gradient, first, tiles, transformed_gradients);
    for (; !pieces.done() && pieces.piece().begin < end; pieces.next()) {
      const Piece& piece = pieces.piece();
      const int64_t at = piece.begin - first;
      add_weight_gradient<kOutputs>(plan, transformed + at * from.row, transformed_gradients + at * by.row, tiles,
                                    static_cast<int>(piece.end - piece.begin), !piece.first, block,
                                    gradients.weights + static_cast<int64_t>(piece.leaf) * plan.shape.weights());
    }
    if (transposed_weights == nullptr) continue;
    const Ahead ahead = ahead_of(plan, input, gradient, end, all, gradients.input);
    multiply_points(plan.points(), tiles, transformed_gradients, outputs, transposed_weights, inputs, transformed,
                    ahead);
    add_input_gradients<kOutputs>(plan, transformed, first, tiles, gradients.add_to_input, gradients.input);
    for (; gradients.sums != nullptr && (summed + 1) * plan.tiles() <= end; ++summed) {
      while (summed >= leaves[summed_leaf + 1]) ++summed_leaf;
      add_live_sums(plan.shape, input, gradients, summed,
                    gradients.sums + summed_leaf * 2 * static_cast<size_t>(inputs));
    }
  }
}

void backward_any(const WinogradPlan& plan, const float* transposed_weights, const MappedValues& input,
                  const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
                  const ConvolutionGradients& gradients) {
  for (size_t leaf = 0; leaf + 1 < leaves.size(); ++leaf)
    if (leaves[leaf] == leaves[leaf + 1])
      std::fill_n(gradients.weights + static_cast<int64_t>(leaf) * plan.shape.weights(), plan.shape.weights(), 0.0F);
  if (plan.outputs == 4)
    backward<4>(plan, transposed_weights, input, gradient, leaves, scratch, gradients);
  else
    backward<6>(plan, transposed_weights, input, gradient, leaves, scratch, gradients);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(backward_any);

int64_t winograd_backward_scratch_size(const WinogradPlan& plan) {
  return winograd_forward_scratch_size(plan) + plan.points() * weight_block_plane(kInputBlock, kOutputBlock);
}

void winograd_backward(const WinogradPlan& plan, const float* transposed_weights, const MappedValues& input,
                       const MappedGradient& gradient, std::span<const int> leaves, float* scratch,
                       const ConvolutionGradients& gradients) {
  HWY_DYNAMIC_DISPATCH(backward_any)(plan, transposed_weights, input, gradient, leaves, scratch, gradients);
}

}  // namespace fer_ddp
#endif
