#include "kernels/matrix_tiles.h"

#include <cpuid.h>
#include <hwy/base.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

namespace fer_ddp {

namespace {

std::atomic<bool> is_plain{false};

float value_of(uint32_t upper_half) { return std::bit_cast<float>(upper_half << 16); }

// sums [16] += a row of A times a tile of B.
void add_row(const Bf16* a, const Bf16* b, float* sums) {
  for (int pair = 0; pair < kTileDepth; pair += 2, b += kTileDepth) {
    const float even = value_of(a[pair]);
    const float odd = value_of(a[pair + 1]);
    for (int column = 0; column < kTileSide; ++column)
      sums[column] += even * value_of(b[2 * column]) + odd * value_of(b[2 * column + 1]);
  }
}

void multiply_plain(const TileProduct& product) {
  float sums[kBlockSide][kBlockSide] = {};
  if (product.add)
    for (int row = 0; row < kBlockSide; ++row) std::copy_n(product.out + row * product.out_row, kBlockSide, sums[row]);
  const Bf16* b = product.b;
  for (const int64_t tap : product.taps)
    for (int step = 0; step < product.steps; ++step, b += product.b_step)
      for (int row = 0; row < kBlockSide; ++row) {
        const Bf16* a = product.a + tap + int64_t{step} * kTileDepth + row * product.a_row;
        add_row(a, b, sums[row]);
        add_row(a, b + product.b_right, sums[row] + kTileSide);
      }
  for (int row = 0; row < kBlockSide; ++row) std::copy_n(sums[row], kBlockSide, product.out + row * product.out_row);
}

// What LDTILECFG reads: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};

// In memory for good, since the intrinsic does not tell the compiler that it reads all of it.
constexpr TileShapes kTileShapes;

HWY_PUSH_ATTRIBUTES("amx-tile,amx-bf16")

// Tiles 0 to 3 are the sums, row by row, 4 and 5 A's upper and lower rows, 6 and 7 B's left and right columns.
void multiply_by_tiles(const TileProduct& product) {
  // The intrinsics do not tell the compiler what memory they read.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  const auto out_row = static_cast<size_t>(product.out_row) * sizeof(float);
  float* below = product.out + kTileSide * product.out_row;
  if (product.add) {
    _tile_loadd(0, product.out, out_row);
    _tile_loadd(1, product.out + kTileSide, out_row);
    _tile_loadd(2, below, out_row);
    _tile_loadd(3, below + kTileSide, out_row);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const auto a_row = static_cast<size_t>(product.a_row) * sizeof(Bf16);
  constexpr size_t kRow = kTileDepth * sizeof(Bf16);
  const Bf16* b = product.b;
  for (const int64_t tap : product.taps) {
    const Bf16* upper = product.a + tap;
    const Bf16* lower = upper + kTileSide * product.a_row;
    for (int step = 0; step < product.steps; ++step) {
      _tile_loadd(6, b, kRow);
      _tile_loadd(7, b + product.b_right, kRow);
      _tile_loadd(4, upper, a_row);
      _tile_loadd(5, lower, a_row);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
      upper += kTileDepth;
      lower += kTileDepth;
      b += product.b_step;
    }
  }
  _tile_stored(0, product.out, out_row);
  _tile_stored(1, product.out + kTileSide, out_row);
  _tile_stored(2, below, out_row);
  _tile_stored(3, below + kTileSide, out_row);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

void take_tiles() { _tile_loadconfig(&kTileShapes); }

void leave_tiles() { _tile_release(); }

HWY_POP_ATTRIBUTES

// From the processor's CPUID leaf 7; the operating system's word comes with the permission.
bool processor_has_tiles() {
  constexpr unsigned kBf16Tiles = 1U << 22;
  constexpr unsigned kTiles = 1U << 24;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBf16Tiles) != 0 && (d & kTiles) != 0;
}

// Linux keeps the tiles' state from processes that have not asked for it (Documentation/arch/x86/xstate.rst).
bool system_gives_tiles() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::string refusal_of_machine() {
  if (!processor_has_tiles()) return "this processor has no AMX";
  if (!system_gives_tiles())
    return std::string("the operating system keeps this processor's AMX from the process: ") + std::strerror(errno);
  return "";
}

}  // namespace

std::string matrix_tiles_refusal() {
  static const std::string refusal = refusal_of_machine();
  return is_plain ? "" : refusal;
}

void use_plain_tiles(bool plain) { is_plain = plain; }

TileScope::TileScope() {
  if (!is_plain) take_tiles();
}

TileScope::~TileScope() {
  if (!is_plain) leave_tiles();
}

void multiply_tiles(const TileProduct& product) {
  if (is_plain)
    multiply_plain(product);
  else
    multiply_by_tiles(product);
}

}  // namespace fer_ddp
