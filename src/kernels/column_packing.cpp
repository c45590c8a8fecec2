#include "kernels/column_packing.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/column_packing.cpp"
#include <hwy/foreach_target.h>

#include "kernels/bf16_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// Where a tap's input lies in its picture, as floats from the first; -1: outside.
HWY_INLINE int64_t input_of(const StridedShape& shape, int y, int x, int tap) {
  const int row = y * shape.stride + tap / shape.kernel - shape.padding;
  const int column = x * shape.stride + tap % shape.kernel - shape.padding;
  const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
  return inside ? (int64_t{row} * shape.width + column) * shape.input_channels : -1;
}

void gather(const StridedShape& shape, const float* input, int picture, Bf16* columns) {
  const TileGrid grid = column_grid(shape);
  const int64_t depth = tap_depth(shape);
  Bf16* position = columns + picture * grid.picture() * grid.row();
  for (int y = 0; y < grid.height; ++y)
    for (int x = 0; x < grid.width; ++x, position += grid.row())
      for (int tap = 0; tap < shape.taps(); ++tap) {
        Bf16* to = position + tap * depth;
        const int64_t from = input_of(shape, y, x, tap);
        const int channels = from < 0 ? 0 : shape.input_channels;
        for (int c = 0; c < channels; c += kLanes) store_rounded(load(input + from + c), to + c);
        std::fill_n(to + channels, depth - channels, Bf16{0});
      }
}

template <int kTiles>
void scatter(const StridedShape& shape, const float* block, int64_t first, int pictures, int tap, int channel,
             float* input_gradient) {
  const int width = shape.output_width();
  const int64_t positions = int64_t{shape.output_height()} * width;
  int64_t picture = first / positions;
  int y = static_cast<int>(first % positions / width);
  int x = static_cast<int>(first % width);
  for (int row = 0; row < kBlockSide && picture < pictures; ++row, block += kBlockSide) {
    if (const int64_t at = input_of(shape, y, x, tap); at >= 0) {
      float* to = input_gradient + picture * shape.input_size() + at + channel;
#pragma GCC unroll 8
      for (int i = 0; i < kTiles * kTileSide; i += kLanes) store(hn::Add(load(to + i), load(block + i)), to + i);
    }
    if (++x < width) continue;
    x = 0;
    if (++y < shape.output_height()) continue;
    y = 0;
    ++picture;
  }
}

void scatter_any(const StridedShape& shape, const float* block, int64_t first, int pictures, int tap, int channel,
                 float* input_gradient) {
  if (shape.input_channels - channel >= kBlockSide)
    scatter<2>(shape, block, first, pictures, tap, channel, input_gradient);
  else
    scatter<1>(shape, block, first, pictures, tap, channel, input_gradient);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(gather);
HWY_EXPORT(scatter_any);

void pack_columns(const StridedShape& shape, const float* input, int picture, Bf16* columns) {
  HWY_DYNAMIC_DISPATCH(gather)(shape, input, picture, columns);
}

void add_column_block(const StridedShape& shape, const float* block, int64_t first, int pictures, int tap, int channel,
                      float* input_gradient) {
  HWY_DYNAMIC_DISPATCH(scatter_any)(shape, block, first, pictures, tap, channel, input_gradient);
}

}  // namespace fer_ddp
#endif
