// Sixteen bytes of neighbouring channels, which is what a thread reads and writes at once: four floats, or eight
// bfloat16, which are numbers of fp32 in between.
#pragma once

#include "device_words.h"

namespace fer_ddp::cuda {

template <typename T>
inline constexpr int kLanes = 16 / static_cast<int>(sizeof(T));

// A vector of T, as it lies in memory.
using Packed = Words<4>;

template <typename T>
__device__ inline Packed load_packed(const void* values, int64_t at) {
  return load_words<4>(static_cast<const T*>(values) + at);
}
template <typename T>
__device__ inline void store_packed(void* values, int64_t at, const Packed& packed) {
  store_words(static_cast<T*>(values) + at, packed);
}

// A vector is worked on four numbers at a time, which takes half the registers of eight.
template <typename T>
inline constexpr int kQuads = kLanes<T> / 4;

template <typename T>
__device__ inline void unpack(const Packed& packed, int quad, float (&numbers)[4]) {
  if constexpr (sizeof(T) == 4) {
    for (int i = 0; i < 4; ++i) numbers[i] = __uint_as_float(packed.word[i]);
  } else {
    for (int i = 0; i < 2; ++i) {
      numbers[2 * i] = __uint_as_float(packed.word[2 * quad + i] << 16);
      numbers[2 * i + 1] = __uint_as_float(packed.word[2 * quad + i] & 0xffff0000U);
    }
  }
}
template <typename T>
__device__ inline void pack(const float (&numbers)[4], int quad, Packed& packed) {
  if constexpr (sizeof(T) == 4) {
    for (int i = 0; i < 4; ++i) packed.word[i] = __float_as_uint(numbers[i]);
  } else {
    for (int i = 0; i < 2; ++i) {
      const uint32_t low = from_float<Bf16>(numbers[2 * i]).bits;
      const uint32_t high = from_float<Bf16>(numbers[2 * i + 1]).bits;
      packed.word[2 * quad + i] = low | high << 16;
    }
  }
}

// `from` and `to` are multiples of 16 bytes.
__device__ inline void load_floats(const float* from, float (&numbers)[4]) {
  const Words<4> words = load_words<4>(from);
  for (int i = 0; i < 4; ++i) numbers[i] = __uint_as_float(words.word[i]);
}
// Four numbers at a multiple of four.
template <typename T>
__device__ inline void store_four(void* values, int64_t at, const float (&numbers)[4]) {
  constexpr int kWords = static_cast<int>(sizeof(T));
  Packed packed{};
  pack<T>(numbers, 0, packed);
  Words<kWords> words;
  for (int i = 0; i < kWords; ++i) words.word[i] = packed.word[i];
  store_words(static_cast<T*>(values) + at, words);
}

// A byte for each number of a vector, so a word for four.
template <typename T>
using PackedBytes = Words<kQuads<T>>;
template <typename T>
__device__ inline PackedBytes<T> load_bytes(const uint8_t* bytes, int64_t at) {
  return load_words<kQuads<T>>(bytes + at);
}
__device__ inline int byte_of(uint32_t word, int i) { return static_cast<int>(word >> (8 * i) & 0xffU); }

// NaN stays: a run that diverged must show it.
__device__ inline float positive_part(float value) { return value < 0 ? 0.0F : value; }
__device__ inline bool is_larger(float candidate, float largest) {
  return candidate > largest || candidate != candidate;
}

// Shares of at most `each` that a total is cut into.
inline int rounded_up_share(int64_t total, int64_t each) { return static_cast<int>((total + each - 1) / each); }

// Division by a number that is known when a kernel starts, as a multiplication.
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(int divisor) : divisor_(static_cast<uint32_t>(divisor)) {
    while (uint64_t{1} << shift_ < divisor_) ++shift_;
    factor_ = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift_) - divisor_)) / divisor_ + 1);
  }
  // dividend < 2^31.
  [[nodiscard]] __device__ uint32_t quotient(uint32_t dividend) const {
    const auto product = static_cast<uint32_t>(uint64_t{dividend} * factor_ >> 32);
    return (product + dividend) >> shift_;
  }
  [[nodiscard]] __device__ uint32_t remainder(uint32_t dividend, uint32_t quotient) const {
    return dividend - quotient * divisor_;
  }

 private:
  uint32_t divisor_ = 1;
  uint32_t factor_ = 1;
  uint32_t shift_ = 0;
};

}  // namespace fer_ddp::cuda
