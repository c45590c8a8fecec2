// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011). A stream is keyed by (random_seed, purpose, epoch, position) and its i-th number is a pure function of
// the key and i, so that shuffling, dropout and augmentation give the same numbers at any world size, thread count and
// after any resume. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fer_ddp {

// What a stream is for. The numbers are part of a run's identity: never renumber.
enum class RandomPurpose : uint32_t {
  kInitialization = 1,
  kShuffle = 2,
  kDropout = 3,
  kAugmentation = 4,
  kSyntheticFaces = 5,
  kMixing = 6,
  kSweep = 7
};

class RandomStream {
 public:
  // `position` is a sample's global position in its epoch, or any other index within the purpose.
  RandomStream(uint64_t seed, RandomPurpose purpose, uint32_t epoch, uint64_t position = 0);

  // The four words of counter block `index`: numbers 4 * index to 4 * index + 3 of the stream.
  [[nodiscard]] std::array<uint32_t, 4> block(uint32_t index) const;

  // Goes to number `index` of the stream, from 0: the next one. Below 2^34.
  void go_to(uint64_t index);

  // The next number of the stream, uniform over all 32-bit values.
  uint32_t next();

  // The next number, uniform in [0, 1) with 24 random bits.
  float next_uniform();

  // The next number, uniform in [0, bound), without bias (Lemire, "Fast random integer generation in an interval",
  // 2019).
  uint32_t next_below(uint32_t bound);

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 3> counter_;  // words 1 to 3 of the counter; word 0 is the block's index
  std::array<uint32_t, 4> current_{};
  uint32_t next_block_ = 0;
  uint32_t used_ = 4;
};

// 0 .. count - 1 in random order (Fisher and Yates).
[[nodiscard]] std::vector<int32_t> random_permutation(int32_t count, RandomStream stream);

}  // namespace fer_ddp
