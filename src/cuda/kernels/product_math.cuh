// How a block multiplies its tiles: by fused multiply-adds in fp32, or by a warp's matrix instructions in TF32 or
// bfloat16, always adding up in fp32. A tile lies in shared memory as its panel's vectors run: [rows][depth] or
// [depth][rows], each line a little longer than it needs to be, which keeps the threads of a warp out of each other's
// banks.
//
// A block's output tile is kTileRows x kTileColumns; for_each_run() says which of its values a thread holds.
#pragma once

#include "cuda/kernels/product_panels.cuh"
#include "device_words.h"

namespace fer_ddp::cuda {

inline constexpr int kTileRows = 128;
inline constexpr int kTileColumns = 64;

// Where the values of a tile of `kRows` lie.
template <typename T, int kRows, bool kDepthContiguous>
struct TileLayout {
  static constexpr int kLine = kDepthContiguous ? kDepthOfStep<T> + kLanes<T> : kRows + 8;
  static constexpr int kSize = (kDepthContiguous ? kRows : kDepthOfStep<T>)*kLine;

  __device__ static int at(int row, int depth) { return kDepthContiguous ? row * kLine + depth : depth * kLine + row; }
};

template <typename PanelA, typename PanelB>
using TileA = TileLayout<typename PanelA::Value, kTileRows, PanelA::kDepthContiguous>;
template <typename PanelA, typename PanelB>
using TileB = TileLayout<typename PanelB::Value, kTileColumns, PanelB::kDepthContiguous>;

// 16 x 16 threads of 8 x 4 values.
template <typename PanelA, typename PanelB>
class FloatMath {
 public:
  __device__ void multiply(const float* a, const float* b) {
    for (int depth = 0; depth < kDepthOfStep<float>; depth += 4) {
      float rows[kRows][4];
      float columns[kColumns][4];
      load<TileA<PanelA, PanelB>, PanelA::kDepthContiguous, kRows>(a, thread_row(), depth, rows);
      load<TileB<PanelA, PanelB>, PanelB::kDepthContiguous, kColumns>(b, thread_column(), depth, columns);
#pragma unroll
      for (int k = 0; k < 4; ++k)
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
          for (int j = 0; j < kColumns; ++j) sums_[i][j] = __fmaf_rn(rows[i][k], columns[j][k], sums_[i][j]);
    }
  }

  // visit(row, column, the values of kRun neighbouring columns from there on).
  static constexpr int kRun = PanelB::kDepthContiguous ? 1 : 4;
  template <typename Visit>
  __device__ void for_each_run(const Visit& visit) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kColumns; j += kRun) {
        float run[kRun];
#pragma unroll
        for (int k = 0; k < kRun; ++k) run[k] = sums_[i][j + k];
        visit(place<PanelA::kDepthContiguous>(thread_row(), i), place<PanelB::kDepthContiguous>(thread_column(), j),
              run);
      }
  }

 private:
  static constexpr int kRows = 8;
  static constexpr int kColumns = 4;

  __device__ static int thread_row() { return static_cast<int>(threadIdx.x) / 16; }
  __device__ static int thread_column() { return static_cast<int>(threadIdx.x) % 16; }
  // Of a thread's i-th row or column: every sixteenth, or four neighbours of every 64.
  template <bool kDepthContiguous>
  __device__ static int place(int thread, int i) {
    return kDepthContiguous ? thread + 16 * i : thread * 4 + i % 4 + 64 * (i / 4);
  }
  template <typename Tile, bool kDepthContiguous, int kCount>
  __device__ static void load(const float* tile, int thread, int depth, float (&values)[kCount][4]) {
    if (kDepthContiguous) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const auto four = *reinterpret_cast<const Vector<float>*>(tile + Tile::at(place<true>(thread, i), depth));
#pragma unroll
        for (int k = 0; k < 4; ++k) values[i][k] = four.values[k];
      }
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k)
#pragma unroll
        for (int i = 0; i < kCount; i += 4) {
          const auto four =
              *reinterpret_cast<const Vector<float>*>(tile + Tile::at(place<false>(thread, i), depth + k));
#pragma unroll
          for (int j = 0; j < 4; ++j) values[i + j][k] = four.values[j];
        }
    }
  }

  float sums_[kRows][kColumns] = {};
};

// 4 x 2 warps of 32 x 32 values: what both kinds of matrix instructions have in common.
class WarpTiles {
 public:
  static constexpr int kRun = 2;
  template <typename Visit>
  __device__ void for_each_run(const Visit& visit) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i)
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j)
#pragma unroll
        for (int k = 0; k < 4; k += 2) {
          const float run[kRun] = {sums_[i][j][k], sums_[i][j][k + 1]};
          visit(first_row() + 16 * i + lane / 4 + 8 * (k / 2), first_column() + 8 * j + 2 * (lane % 4), run);
        }
  }

 protected:
  static constexpr int kRowTiles = 2;
  static constexpr int kColumnTiles = 4;

  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / 32 / 2 * 32; }
  __device__ static int first_column() { return static_cast<int>(threadIdx.x) / 32 % 2 * 32; }

  float sums_[kRowTiles][kColumnTiles][4] = {};
};

template <typename PanelA, typename PanelB>
class Bf16Math : public WarpTiles {
 public:
  __device__ void multiply(const Bf16* a, const Bf16* b) {
#pragma unroll
    for (int depth = 0; depth < kDepthOfStep<Bf16>; depth += 16) {
      uint32_t rows[kRowTiles][4];
      uint32_t columns[kColumnTiles / 2][4];
      const int lane = static_cast<int>(threadIdx.x) % 32;
      const int line = lane % 8;
      const int lower = lane / 8 % 2 * 8;
      const int upper = lane / 16 * 8;
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
        const int row = first_row() + 16 * i;
        if (PanelA::kDepthContiguous)
          load_matrices(rows[i], a + TileA<PanelA, PanelB>::at(row + line + lower, depth + upper));
        else
          load_transposed_matrices(rows[i], a + TileA<PanelA, PanelB>::at(row + lower, depth + line + upper));
      }
#pragma unroll
      for (int j = 0; j < kColumnTiles / 2; ++j) {
        const int column = first_column() + 16 * j;
        if (PanelB::kDepthContiguous)
          load_matrices(columns[j], b + TileB<PanelA, PanelB>::at(column + line + upper, depth + lower));
        else
          load_transposed_matrices(columns[j], b + TileB<PanelA, PanelB>::at(column + upper, depth + line + lower));
      }
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i)
#pragma unroll
        for (int j = 0; j < kColumnTiles; ++j)
          multiply_add_bf16(sums_[i][j], rows[i], {columns[j / 2][j % 2 * 2], columns[j / 2][j % 2 * 2 + 1]});
    }
  }
};

template <typename PanelA, typename PanelB>
class Tf32Math : public WarpTiles {
 public:
  __device__ void multiply(const float* a, const float* b) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int depth = 0; depth < kDepthOfStep<float>; depth += 8) {
      uint32_t rows[kRowTiles][4];
      uint32_t columns[kColumnTiles][2];
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i)
#pragma unroll
        for (int k = 0; k < 4; ++k)
          rows[i][k] = to_tf32(
              a[TileA<PanelA, PanelB>::at(first_row() + 16 * i + lane / 4 + k % 2 * 8, depth + lane % 4 + k / 2 * 4)]);
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j)
#pragma unroll
        for (int k = 0; k < 2; ++k)
          columns[j][k] =
              to_tf32(b[TileB<PanelA, PanelB>::at(first_column() + 8 * j + lane / 4, depth + lane % 4 + k * 4)]);
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i)
#pragma unroll
        for (int j = 0; j < kColumnTiles; ++j) multiply_add_tf32(sums_[i][j], rows[i], columns[j]);
    }
  }
};

}  // namespace fer_ddp::cuda
