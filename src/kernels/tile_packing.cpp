#include "kernels/tile_packing.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/tile_packing.cpp"
#include <hwy/foreach_target.h>

#include "kernels/bf16_inl.h"
#include "kernels/mapped_values_inl.h"

HWY_BEFORE_NAMESPACE();
namespace fer_ddp::HWY_NAMESPACE {

// A word from each two values of two rows.
HWY_INLINE Words pairs_of(const Bf16* first, const Bf16* second) {
  const WordTag words;
  const Words low = hn::PromoteTo(words, hn::LoadU(HalfTag(), first));
  const Words high = hn::PromoteTo(words, hn::LoadU(HalfTag(), second));
  return hn::Or(low, hn::ShiftLeft<16>(high));
}

// Rows of a picture, some channels at a time, as what is packed reads them: row(y, channel)(x).
template <bool kMapped>
struct ValueRows {
  const TileGrid& grid;
  const MappedValues& values;
  struct Row {
    Map<kMapped> map;
    const float* from;
    int64_t channels;
    HWY_INLINE Floats operator()(int x) const { return map(load(from + x * channels)); }
  };
  HWY_INLINE Row row(int y, int channel) const {
    return {Map<kMapped>(values, channel), values.values + int64_t{y} * grid.width * grid.channels + channel,
            grid.channels};
  }
};

template <bool kPooled>
struct GradientRows {
  const TileGrid& grid;
  const MappedGradient& gradient;
  struct Row {
    GradientMap map;
    const float* z;
    const float* given;  // for the row, or the row of windows that it is in
    const uint8_t* winners;
    int64_t channels;
    int below, pooled_width;  // no windows where that is 0
    HWY_INLINE Floats operator()(int x) const {
      const Floats value = load(z + x * channels);
      if constexpr (!kPooled) return map(load(given + x * channels), value);
      if (x / 2 >= pooled_width) return map(zeros(), value);
      const int64_t window = x / 2 * channels;
      const FloatMask won =
          hn::RebindMask(FloatTag(), hn::Eq(load_winners(winners + window), hn::Set(IntTag(), 2 * below + x % 2)));
      return map(hn::IfThenElseZero(won, load(given + window)), value);
    }
  };
  HWY_INLINE Row row(int y, int channel) const {
    const int64_t width = kPooled ? grid.width / 2 : grid.width;
    const int64_t at = int64_t{kPooled ? y / 2 : y} * width * grid.channels + channel;
    return {GradientMap(gradient, channel),
            gradient.z.values + int64_t{y} * grid.width * grid.channels + channel,
            gradient.gradient + at,
            kPooled ? gradient.winners + at : nullptr,
            grid.channels,
            y % 2,
            y / 2 < grid.height / 2 ? grid.width / 2 : 0};
  }
};

template <typename Rows>
HWY_NOINLINE void pack(const TileGrid& grid, const Rows& rows, int picture, Bf16* positions) {
  const int64_t step = grid.row();
  const int64_t gap = int64_t{grid.border} * step;
  Bf16* to = positions + (grid.lead() + picture * grid.picture()) * step;
  for (int y = 0; y < grid.height; ++y) {
    for (int channel = 0; channel < grid.channels; channel += kLanes) {
      const auto row = rows.row(y, channel);
      for (int x = 0; x < grid.width; ++x) store_rounded(row(x), to + x * step + channel);
    }
    if (const int64_t rest = grid.depth() - grid.channels; rest > 0)
      for (int x = 0; x < grid.width; ++x) std::fill_n(to + x * step + grid.channels, rest, Bf16{0});
    to += grid.width * step;
    std::fill_n(to, gap, Bf16{0});
    to += gap;
  }
  std::fill_n(to, gap * grid.pitch(), Bf16{0});
}

void pack_values(const TileGrid& grid, const MappedValues& values, int picture, Bf16* positions) {
  if (values.scale == nullptr)
    pack(grid, ValueRows<false>{grid, values}, picture, positions);
  else
    pack(grid, ValueRows<true>{grid, values}, picture, positions);
}

void pack_gradients(const TileGrid& grid, const MappedGradient& gradient, int picture, Bf16* positions) {
  switch (kind_of(gradient)) {
    case GradientKind::kPlain:
      return pack_values(grid, {.values = gradient.gradient}, picture, positions);
    case GradientKind::kMapped:
      return pack(grid, GradientRows<false>{grid, gradient}, picture, positions);
    case GradientKind::kPooled:
      return pack(grid, GradientRows<true>{grid, gradient}, picture, positions);
  }
}

// to[column][row] = from[row][column], of 16 x 16 words.
template <typename Tag>
HWY_INLINE void transpose_words(Tag words, const uint32_t (&from)[kTileSide][kTileSide], uint32_t* to, int64_t stride) {
  // Without hn:: where not every instruction set has the operation: the names are looked up where this branch is taken.
  if constexpr (hn::MaxLanes(Tag()) == kTileSide) {
    using Row = hn::Vec<Tag>;
    const hn::Repartition<uint64_t, Tag> doubles;
    Row rows[kTileSide];
#pragma GCC unroll 8
    for (int i = 0; i < kTileSide; i += 2) {
      const Row even = hn::Load(words, from[i]);
      const Row odd = hn::Load(words, from[i + 1]);
      rows[i] = InterleaveLower(words, even, odd);
      rows[i + 1] = InterleaveUpper(words, even, odd);
    }
    // After this rows[4 * g + j] has, in its block b, rows 4 g to 4 g + 3 of column 4 b + j.
#pragma GCC unroll 4
    for (int g = 0; g < kTileSide; g += 4) {
      const auto a = hn::BitCast(doubles, rows[g]);
      const auto b = hn::BitCast(doubles, rows[g + 1]);
      const auto c = hn::BitCast(doubles, rows[g + 2]);
      const auto d = hn::BitCast(doubles, rows[g + 3]);
      rows[g] = hn::BitCast(words, InterleaveLower(doubles, a, c));
      rows[g + 1] = hn::BitCast(words, InterleaveUpper(doubles, a, c));
      rows[g + 2] = hn::BitCast(words, InterleaveLower(doubles, b, d));
      rows[g + 3] = hn::BitCast(words, InterleaveUpper(doubles, b, d));
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Row a = OddEvenBlocks(SwapAdjacentBlocks(rows[4 + j]), rows[j]);
      const Row b = OddEvenBlocks(rows[4 + j], SwapAdjacentBlocks(rows[j]));
      const Row c = OddEvenBlocks(SwapAdjacentBlocks(rows[12 + j]), rows[8 + j]);
      const Row d = OddEvenBlocks(rows[12 + j], SwapAdjacentBlocks(rows[8 + j]));
      hn::StoreU(ConcatLowerLower(words, c, a), words, to + j * stride);
      hn::StoreU(ConcatLowerLower(words, d, b), words, to + (4 + j) * stride);
      hn::StoreU(ConcatUpperUpper(words, c, a), words, to + (8 + j) * stride);
      hn::StoreU(ConcatUpperUpper(words, d, b), words, to + (12 + j) * stride);
    }
  } else {
    for (int column = 0; column < kTileSide; ++column)
      for (int row = 0; row < kTileSide; ++row)
        std::memcpy(to + column * stride + row, &from[row][column], sizeof(uint32_t));
  }
}

void turn(const TileGrid& grid, const Bf16* positions, int pictures, Bf16* turned) {
  const int64_t depth = grid.depth();
  const int64_t row = grid.row();
  const int64_t count = grid.positions(pictures);
  HWY_ALIGN uint32_t words[kTileSide][kTileSide];
  for (int64_t first = 0; first < count; first += kTileDepth)
    for (int64_t channel = 0; channel < depth; channel += kTileSide) {
      const Bf16* from = positions + first * row + channel;
      for (int pair = 0; pair < kTileSide; ++pair, from += 2 * row)
        for (int i = 0; i < kTileSide; i += kLanes)
          hn::Store(pairs_of(from + i, from + row + i), WordTag(), words[pair] + i);
      transpose_words(WordTag(), words, reinterpret_cast<uint32_t*>(turned + channel * count + first), count / 2);
    }
}

void pair(const TileGrid& grid, const Bf16* positions, int pictures, Bf16* pairs) {
  const int64_t depth = grid.depth();
  const int64_t row = grid.row();
  const int64_t count = grid.outputs(pictures) / 2;
  const Bf16* first = positions + grid.lead() * row;
  for (int64_t channel = 0; channel < depth; channel += kTileSide) {
    const Bf16* from = first + channel;
    auto* to = reinterpret_cast<uint32_t*>(pairs + channel * count * 2);
    for (int64_t i = 0; i < count; ++i, from += 2 * row, to += kTileSide)
      for (int lane = 0; lane < kTileSide; lane += kLanes)
        hn::StoreU(pairs_of(from + lane, from + row + lane), WordTag(), to + lane);
  }
}

// A block of a tap's weights as tiles: as B with its inputs as rows, and, turned, with its outputs.
HWY_INLINE void pack_block(const Bf16 (&block)[kBlockSide][kBlockSide], Bf16* forward, Bf16* transposed) {
  auto* to = reinterpret_cast<uint32_t*>(forward);
  for (int half = 0; half < kBlockSide; half += kTileSide)
    for (int row = 0; row < kBlockSide; row += 2)
      for (int i = 0; i < kTileSide; i += kLanes, to += kLanes)
        hn::StoreU(pairs_of(block[row] + half + i, block[row + 1] + half + i), WordTag(), to);
  HWY_ALIGN uint32_t words[kTileSide][kTileSide];
  for (int half = 0; half < kBlockSide; half += kTileSide) {
    std::copy_n(reinterpret_cast<const uint8_t*>(block[half]), sizeof(words), reinterpret_cast<uint8_t*>(words));
    transpose_words(WordTag(), words, reinterpret_cast<uint32_t*>(transposed + half * kTileDepth), kTileSide);
  }
}

void pack_all_weights(const WeightShape& shape, const float* weights, int begin, int end, Bf16* forward,
                      Bf16* transposed) {
  const auto [taps, inputs, outputs] = shape;
  const int64_t in_steps = round_up(inputs, kTileDepth) / kTileDepth;
  const int64_t out_steps = round_up(outputs, kTileDepth) / kTileDepth;
  constexpr int64_t kStep = 2 * kTileValues;
  for (int input = begin; input < end; input += kTileDepth)
    for (int output = 0; output < outputs; output += kTileDepth)
      for (int tap = 0; tap < taps; ++tap) {
        HWY_ALIGN Bf16 block[kBlockSide][kBlockSide] = {};
        const int rows = std::min(kBlockSide, inputs - input);
        const int columns = std::min(kBlockSide, outputs - output);
        for (int row = 0; row < rows; ++row)
          for (int i = 0; i < columns; i += kLanes)
            store_rounded(load(weights + (int64_t{tap} * inputs + input + row) * outputs + output + i), block[row] + i);
        const int64_t in = input / kTileDepth;
        const int64_t out = output / kTileDepth;
        pack_block(block, forward + ((out * taps + tap) * in_steps + in) * kStep,
                   transposed + ((in * taps + taps - 1 - tap) * out_steps + out) * kStep);
      }
}

enum class SumsOf { kNothing, kOutputs, kLiveGradients };

// The sums of a block's channels [channel, channel + kVectors * kLanes), by what they are of.
template <SumsOf kOf, int kVectors>
struct BlockSums {
  HWY_INLINE BlockSums(const BlockTarget&, int) {}
  HWY_INLINE void add(int, Floats, int64_t) {}
  HWY_INLINE void finish(const BlockTarget&, int) const {}
};

template <int kVectors>
struct BlockSums<SumsOf::kOutputs, kVectors> {
  ChannelSums<kVectors> sums;
  HWY_INLINE BlockSums(const BlockTarget& target, int channel) : sums(target.middle + channel) {}
  HWY_INLINE void add(int v, Floats value, int64_t) { sums.add(v, value); }
  HWY_INLINE void finish(const BlockTarget& target, int channel) const {
    sums.add_to(target.sums + channel, target.channels);
  }
};

template <int kVectors>
struct BlockSums<SumsOf::kLiveGradients, kVectors> {
  const float* values;
  Floats scale[kVectors], shift[kVectors], mean[kVectors], sum[kVectors], products[kVectors];
  HWY_INLINE BlockSums(const BlockTarget& target, int channel) : values(target.seen.values + channel) {
    for (int v = 0; v < kVectors; ++v) {
      scale[v] = load(target.seen.scale + channel + v * kLanes);
      shift[v] = load(target.seen.shift + channel + v * kLanes);
      mean[v] = load(target.middle + channel + v * kLanes);
      sum[v] = products[v] = zeros();
    }
  }
  // `at`: from the group's first value on, where the vectors begin.
  HWY_INLINE void add(int v, Floats gradient, int64_t at) {
    const Floats value = load(values + at + v * kLanes);
    const Floats live = live_gradient(gradient, value, scale[v], shift[v]);
    sum[v] = hn::Add(sum[v], live);
    products[v] = hn::MulAdd(live, hn::Sub(value, mean[v]), products[v]);
  }
  HWY_INLINE void finish(const BlockTarget& target, int channel) const {
    for (int v = 0; v < kVectors; ++v) {
      add_to_doubles(sum[v], target.sums + channel + v * kLanes);
      add_to_doubles(products[v], target.sums + target.channels + channel + v * kLanes);
    }
  }
};

// The channels [channel, channel + 16 * kTiles) of a block's positions.
template <int kTiles, SumsOf kOf, bool kPastCache>
HWY_INLINE void unpack(const BlockTarget& target, const float* block, int64_t first, int channel) {
  constexpr int kVectors = kTiles * kTileSide / kLanes;
  const TileGrid& grid = target.grid;
  int64_t picture = first / grid.picture();
  int y = static_cast<int>(first % grid.picture() / grid.pitch());
  int x = static_cast<int>(first % grid.pitch());
  BlockSums<kOf, kVectors> sums(target, channel);
  for (int row = 0; row < kBlockSide && picture < target.pictures; ++row) {
    if (y < target.height && x < target.width) {
      const int64_t at = ((picture * target.height + y) * target.width + x) * target.channels;
      float* to = target.output + at + channel;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        Floats value = load(block + row * kBlockSide + v * kLanes);
        if (target.add) value = hn::Add(load(to + v * kLanes), value);
        sums.add(v, value, at);
        if constexpr (kPastCache)
          hn::Stream(value, FloatTag(), to + v * kLanes);
        else
          store(value, to + v * kLanes);
      }
    }
    if (++x < grid.pitch()) continue;
    x = 0;
    if (++y < grid.height + grid.border) continue;
    y = 0;
    ++picture;
  }
  sums.finish(target, channel);
}

template <SumsOf kOf, bool kPastCache>
HWY_INLINE void unpack_tiles(const BlockTarget& target, const float* block, int64_t first, int channel) {
  if (target.channels - channel >= kBlockSide)
    unpack<2, kOf, kPastCache>(target, block, first, channel);
  else
    unpack<1, kOf, kPastCache>(target, block, first, channel);
}

template <SumsOf kOf>
HWY_INLINE void unpack_sums(const BlockTarget& target, const float* block, int64_t first, int channel) {
  if (target.past_cache)
    unpack_tiles<kOf, true>(target, block, first, channel);
  else
    unpack_tiles<kOf, false>(target, block, first, channel);
}

void unpack_any(const BlockTarget& target, const float* block, int64_t first, int channel) {
  if (target.sums == nullptr)
    unpack_sums<SumsOf::kNothing>(target, block, first, channel);
  else if (target.seen.values == nullptr)
    unpack_sums<SumsOf::kOutputs>(target, block, first, channel);
  else
    unpack_sums<SumsOf::kLiveGradients>(target, block, first, channel);
}

}  // namespace fer_ddp::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fer_ddp {

HWY_EXPORT(pack_values);
HWY_EXPORT(pack_gradients);
HWY_EXPORT(turn);
HWY_EXPORT(pair);
HWY_EXPORT(pack_all_weights);
HWY_EXPORT(unpack_any);

void pack_picture(const TileGrid& grid, const MappedValues& values, int picture, Bf16* positions) {
  HWY_DYNAMIC_DISPATCH(pack_values)(grid, values, picture, positions);
}

void pack_gradient(const TileGrid& grid, const MappedGradient& gradient, int picture, Bf16* positions) {
  HWY_DYNAMIC_DISPATCH(pack_gradients)(grid, gradient, picture, positions);
}

void pack_ends(const TileGrid& grid, int pictures, Bf16* positions) {
  const int64_t end = grid.lead() + pictures * grid.picture();
  std::fill_n(positions, grid.lead() * grid.row(), Bf16{0});
  std::fill_n(positions + end * grid.row(), (grid.positions(pictures) - end) * grid.row(), Bf16{0});
}

void turn_positions(const TileGrid& grid, const Bf16* positions, int pictures, Bf16* turned) {
  HWY_DYNAMIC_DISPATCH(turn)(grid, positions, pictures, turned);
}

void pair_positions(const TileGrid& grid, const Bf16* positions, int pictures, Bf16* pairs) {
  HWY_DYNAMIC_DISPATCH(pair)(grid, positions, pictures, pairs);
}

void pack_weights(const WeightShape& shape, const float* weights, int begin, int end, Bf16* forward, Bf16* transposed) {
  HWY_DYNAMIC_DISPATCH(pack_all_weights)(shape, weights, begin, end, forward, transposed);
}

void unpack_block(const BlockTarget& target, const float* block, int64_t first, int channel) {
  HWY_DYNAMIC_DISPATCH(unpack_any)(target, block, first, channel);
}

}  // namespace fer_ddp
#endif
