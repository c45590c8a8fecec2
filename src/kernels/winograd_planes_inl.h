// Where transformed tiles lie, and the transform of inputs, which forward and backward share (winograd.h). A group's
// tiles are [points][tiles][channels], with gaps that keep rows and planes from meeting in the same sets of a cache. To
// be included inside Highway's foreach_target.
#if defined(FER_DDP_KERNELS_WINOGRAD_PLANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FER_DDP_KERNELS_WINOGRAD_PLANES_INL_H
#undef FER_DDP_KERNELS_WINOGRAD_PLANES_INL_H
#else
#define FER_DDP_KERNELS_WINOGRAD_PLANES_INL_H
#endif

#include "kernels/mapped_values_inl.h"
#include "kernels/matrix_product_inl.h"
#include "kernels/winograd.h"
#include "kernels/winograd_layout.h"
#include "kernels/winograd_transforms_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// A tile's place: its image, and the first row and column of its outputs or, with the padding taken off, of its inputs.
struct TilePlace {
  int64_t image;
  int y, x;
  TilePlace(const WinogradPlan& plan, int64_t tile)
      : image(tile / plan.tiles()),
        y(static_cast<int>(tile % plan.tiles()) / plan.columns() * plan.outputs),
        x(static_cast<int>(tile % plan.tiles()) % plan.columns() * plan.outputs) {}
};

// Which of `side` positions from `first` on lie inside [0, size): positions [begin, end).
struct Inside {
  int begin, end;
  Inside(int first, int side, int size) : begin(std::max(0, -first)), end(std::min(side, size - first)) {}
  [[nodiscard]] bool all(int side) const { return begin == 0 && end == side; }
};

template <int kOutputs, bool kMapped>
HWY_NOINLINE void transform_inputs(const WinogradPlan& plan, const MappedValues& input, int64_t first, int tiles,
                                   float* planes) {
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
      const Map<kMapped> map(input, channel);
      Floats half[kSide * kSide];
      for (int x = 0; x < kSide; ++x) {
        Floats column[kSide];
        const float* from = input.values + (corner + int64_t{x} * channels + channel);
        if (x < columns.begin || x >= columns.end) {
#pragma GCC unroll 8
          for (int y = 0; y < kSide; ++y) half[y * kSide + x] = zeros();
          continue;
        }
        if (rows.all(kSide)) {
#pragma GCC unroll 8
          for (int y = 0; y < kSide; ++y) column[y] = map(load(from + y * row_stride));
        } else {
#pragma GCC unroll 8
          for (int y = 0; y < kSide; ++y)
            column[y] = y < rows.begin || y >= rows.end ? zeros() : map(load(from + y * row_stride));
        }
        Winograd<kOutputs>::template input<kSide>(column, half + x);
      }
      float* to = planes + t * layout.row + channel;
      for (int y = 0; y < kSide; ++y) {
        Floats row[kSide];
        Winograd<kOutputs>::template input<1>(half + y * kSide, row);
#pragma GCC unroll 8
        for (int x = 0; x < kSide; ++x) store(row[x], to + (y * kSide + x) * layout.plane);
      }
    }
  }
}

// What the next group of tiles will read or write, in whole rows of tiles: asked for while this group's products are
// taken, which need the memory's bandwidth least.
class Ahead {
 public:
  Ahead(const WinogradPlan& plan, int64_t first, int64_t all)
      : plan_(&plan), first_(first), last_(std::min(all, first + plan.group) - 1) {}
  // pictures: [images][height][width][channels], of the layer's inputs or outputs, or pooled to half of that.
  void add(const float* pictures, int height, int width, int channels) {
    if (first_ > last_ || count_ == kMost) return;
    const int64_t row = int64_t{width} * channels;
    const int64_t begin = row_of(first_, height) * row;
    const int64_t end = (row_of(last_ + plan_->columns(), height)) * row;
    ranges_[count_++] = {pictures + begin, (end - begin + kLine - 1) / kLine};
  }
  // Asks for one of `parts` parts.
  HWY_INLINE void prefetch(int part, int parts) const {
    for (int i = 0; i < count_; ++i)
      for (int64_t line = ranges_[i].lines * part / parts; line < ranges_[i].lines * (part + 1) / parts; ++line)
        __builtin_prefetch(ranges_[i].begin + line * kLine, 0, 2);
  }

 private:
  static constexpr int kLine = 16;  // floats
  static constexpr int kMost = 4;
  // The first row, counted over all images, that a tile's share of pictures of this height begins with.
  [[nodiscard]] int64_t row_of(int64_t tile, int height) const {
    const int64_t of_image = tile % plan_->tiles() / plan_->columns() * height / plan_->rows();
    return tile / plan_->tiles() * height + of_image;
  }
  struct Range {
    const float* begin;
    int64_t lines;
  };
  const WinogradPlan* plan_;
  int64_t first_, last_;
  int count_ = 0;
  Range ranges_[kMost];
};

// products [points][tiles][outputs] = in [points][tiles][inputs] * weights (winograd_layout.h).
inline HWY_NOINLINE void multiply_points(int points, int tiles, const float* in, int inputs, const float* weights,
                                         int outputs, float* products, const Ahead& ahead) {
  const PlaneLayout from(tiles, inputs);
  const PlaneLayout to(tiles, outputs);
  for (int point = 0; point < points; ++point) {
    ahead.prefetch(point, points);
    for (int column = 0; column < outputs; column += kPanel) {
      const int width = std::min(kPanel, outputs - column);
      const Product product{.a = in + point * from.plane,
                            .row_stride = from.row,
                            .k_stride = 1,
                            .b = weights + (int64_t{point} * outputs + column) * inputs,
                            .b_stride = width,
                            .out = products + point * to.plane + column,
                            .out_stride = to.row};
      if (width == kPanel)
        multiply_columns<kPanel>(product, tiles, inputs, false);
      else
        multiply_columns<kPanel / 2>(product, tiles, inputs, false);
    }
  }
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
