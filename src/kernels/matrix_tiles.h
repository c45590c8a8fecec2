// Products of bf16 matrices with fp32 sums, by the tiles that Intel's processors have from Sapphire Rapids on (AMX): an
// instruction adds 16 x 16 sums of 32 products each, ten times as many a second as AVX-512 does in fp32. A form in
// plain C++ is for tests on other processors. Each adds products in an order of its own, the same at each call; tiles
// take the tiniest values (denormal ones) for zeros, which the plain form does not.
//
// Thread-safe, no allocation.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace fer_ddp {

using Bf16 = uint16_t;  // the upper half of an fp32 value

inline constexpr int kTileSide = 16;                        // rows and columns of sums
inline constexpr int kTileDepth = 32;                       // bf16 values in a row of A, and in a column of B
inline constexpr int kTileValues = kTileSide * kTileDepth;  // of an operand
inline constexpr int kBlockSide = 2 * kTileSide;            // a product's sums are 2 x 2 tiles

// out [32][32] = or += the sum over taps and their steps of A [32][32] * B [32][32].
struct TileProduct {
  const Bf16* a = nullptr;          // 32 rows; the next step's values follow on a row
  int64_t a_row = 0;                // from a row to the next
  std::span<const int64_t> taps{};  // where each tap's A begins, from `a` on
  int steps = 0;                    // of each tap
  // B's left and right columns are a tile each, [16 pairs of rows][16 columns][2]; tap by tap, step by step.
  const Bf16* b = nullptr;
  int64_t b_step = 0;   // from a step to the next
  int64_t b_right = 0;  // from the left half to the right
  float* out = nullptr;
  int64_t out_row = 0;
  bool add = false;
};

// Why this process cannot have tiles, "this processor has no AMX"; empty where it can. Linux is asked for them once.
[[nodiscard]] std::string matrix_tiles_refusal();

// For tests, which then run on any processor: from now on the plain form is taken, in the whole process, and nothing is
// refused. Not to be called while products are taken.
void use_plain_tiles(bool plain);

// The thread's tiles, while this lives; multiply_tiles() needs them.
class TileScope {
 public:
  TileScope();
  ~TileScope();
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

void multiply_tiles(const TileProduct& product);

}  // namespace fer_ddp
