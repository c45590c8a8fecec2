// The words of src/cuda/kernels/on_device/device_words.h for the host, so that a kernel's own source is tested without
// a GPU: every thread of a block is a fibre, and blocks run one after another in an order drawn from a seed, as do the
// threads between two barriers. A result that changes with the seed is a missing barrier.
//
// What it finds: wrong indices and sums, shared memory that is read before it is written (it is poisoned with NaN) or
// written behind its end, a barrier that not all threads reach. What it cannot: speed, races within a warp, memory
// order between blocks. Not thread-safe: one kernel at a time.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "fibres.h"

// NOLINTBEGIN(bugprone-reserved-identifier,bugprone-macro-parentheses): CUDA's own names
#define __global__
#define __device__
#define __host__
#define __restrict__
#define __forceinline__ inline
#define __launch_bounds__(...)

using dim3 = fer_ddp::cuda_on_host::Extent;

#define threadIdx (fer_ddp::cuda_on_host::current_thread())
#define blockIdx (fer_ddp::cuda_on_host::current_block())
#define blockDim (fer_ddp::cuda_on_host::block_extent())
#define gridDim (fer_ddp::cuda_on_host::grid_extent())

inline void __syncthreads() { fer_ddp::cuda_on_host::wait_for_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffU) { fer_ddp::cuda_on_host::wait_for_warp(mask); }
inline void __threadfence() {}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return fer_ddp::cuda_on_host::exchange(mask, value, fer_ddp::cuda_on_host::lane() ^ static_cast<unsigned>(lanes));
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int lane) {
  return fer_ddp::cuda_on_host::exchange(mask, value, static_cast<unsigned>(lane));
}
// Of integers alone: sums of floats would depend on the order of blocks.
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  const unsigned before = *address;
  *address = before + value;
  return before;
}
inline float __uint_as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t __float_as_uint(float value) { return std::bit_cast<uint32_t>(value); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float rsqrtf(float value) { return 1.0F / std::sqrt(value); }
// NOLINTEND(bugprone-reserved-identifier,bugprone-macro-parentheses)

namespace fer_ddp::cuda {

using Stream = void*;

struct Bf16 {
  uint16_t bits;
};
inline float to_float(float value) { return value; }
inline float to_float(Bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }
template <typename T>
T from_float(float value);
template <>
inline float from_float<float>(float value) {
  return value;
}
template <>
inline Bf16 from_float<Bf16>(float value) {
  if (std::isnan(value)) return {0x7fff};
  const auto bits = std::bit_cast<uint32_t>(value);
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

template <int kCount>
struct Words {
  uint32_t word[kCount];
};
template <int kCount>
Words<kCount> load_words(const void* at) {
  cuda_on_host::require_aligned(at, sizeof(Words<kCount>));
  Words<kCount> words;
  std::memcpy(&words, at, sizeof(words));
  return words;
}
template <int kCount>
void store_words(void* at, const Words<kCount>& words) {
  cuda_on_host::require_aligned(at, sizeof(words));
  std::memcpy(at, &words, sizeof(words));
}

template <typename T>
T* shared_memory() {
  return reinterpret_cast<T*>(cuda_on_host::shared_bytes());
}

template <typename... Parameters, typename... Arguments>
void launch(dim3 grid, dim3 block, size_t shared_bytes, Stream, void (*kernel)(Parameters...), Arguments... arguments) {
  if (!cuda_on_host::runs({reinterpret_cast<const void*>(kernel), grid, block, shared_bytes})) return;
  cuda_on_host::run_grid(grid, block, shared_bytes, [&] { kernel(arguments...); });
}

// Refuses what a GPU would: addresses that are no multiples of 16.
inline void start_copy_16(void* shared, const void* global, bool there) {
  cuda_on_host::require_aligned(shared, 16);
  if (there) cuda_on_host::require_aligned(global, 16);
  if (there)
    std::memcpy(shared, global, 16);
  else
    std::memset(shared, 0, 16);
}
inline void end_copy_group() {}
template <int kNewest>
void wait_for_copy_groups() {}

inline void load_matrices(uint32_t (&words)[4], const void* row) {
  cuda_on_host::require_aligned(row, 16);
  const cuda_on_host::Exchanged<const void*> rows(row);
  const unsigned lane = cuda_on_host::lane();
  for (unsigned matrix = 0; matrix < 4; ++matrix)
    std::memcpy(&words[matrix], static_cast<const uint16_t*>(rows.of(matrix * 8 + lane / 4)) + 2 * (lane % 4), 4);
}
inline void load_transposed_matrices(uint32_t (&words)[4], const void* row) {
  cuda_on_host::require_aligned(row, 16);
  const cuda_on_host::Exchanged<const void*> rows(row);
  const unsigned lane = cuda_on_host::lane();
  for (unsigned matrix = 0; matrix < 4; ++matrix) {
    const unsigned first = matrix * 8 + 2 * (lane % 4);
    const uint32_t low = static_cast<const uint16_t*>(rows.of(first))[lane / 4];
    const uint32_t high = static_cast<const uint16_t*>(rows.of(first + 1))[lane / 4];
    words[matrix] = low | high << 16;
  }
}

struct Fragments {
  uint32_t a[4], b[2];
};
// kDepth: 16 numbers of 16 bits, two a word, or 8 of 32.
template <int kDepth, typename NumberOf>
void multiply_add(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const NumberOf& number_of) {
  Fragments own{};
  std::memcpy(own.a, a, sizeof(a));
  std::memcpy(own.b, b, sizeof(b));
  const cuda_on_host::Exchanged<Fragments> all(own);
  constexpr int kHalf = kDepth / 2;
  constexpr int kPerWord = kDepth / 8;
  const int lane = static_cast<int>(cuda_on_host::lane());
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + 8 * (i / 2);
    const int column = 2 * (lane % 4) + i % 2;
    for (int k = 0; k < kDepth; ++k) {
      const int lane_of_k = k % kHalf / kPerWord;
      const uint32_t word_a =
          all.of(static_cast<unsigned>(row % 8 * 4 + lane_of_k)).a[(row >= 8 ? 1 : 0) + (k >= kHalf ? 2 : 0)];
      const uint32_t word_b = all.of(static_cast<unsigned>(column * 4 + lane_of_k)).b[k >= kHalf ? 1 : 0];
      sum[i] += number_of(word_a, k % kPerWord) * number_of(word_b, k % kPerWord);
    }
  }
}
inline void multiply_add_bf16(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  multiply_add<16>(sum, a, b, [](uint32_t word, int half) {
    return to_float(Bf16{static_cast<uint16_t>(half == 0 ? word & 0xffff : word >> 16)});
  });
}
inline void multiply_add_tf32(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  multiply_add<8>(sum, a, b, [](uint32_t word, int) { return std::bit_cast<float>(word & ~0x1fffU); });
}
inline uint32_t to_tf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return std::isfinite(value) ? (bits + 0x1000) & ~0x1fffU : bits;
}

}  // namespace fer_ddp::cuda
