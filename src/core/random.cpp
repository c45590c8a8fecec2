#include "core/random.h"

#include <cstddef>
#include <numeric>
#include <utility>

namespace fer_ddp {

namespace {

std::array<uint32_t, 4> philox_4x32_10(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

}  // namespace

// The seed is the key; purpose and epoch share a counter word (24 bits of epoch), the position takes the other two.
RandomStream::RandomStream(uint64_t seed, RandomPurpose purpose, uint32_t epoch, uint64_t position)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
               (static_cast<uint32_t>(purpose) << 24) ^ epoch} {}

std::array<uint32_t, 4> RandomStream::block(uint32_t index) const {
  return philox_4x32_10({index, counter_[0], counter_[1], counter_[2]}, key_);
}

void RandomStream::go_to(uint64_t index) {
  next_block_ = static_cast<uint32_t>(index / 4);
  used_ = 4;  // of the block before
  for (uint64_t i = 0; i < index % 4; ++i) next();
}

uint32_t RandomStream::next() {
  if (used_ == 4) {
    current_ = block(next_block_++);
    used_ = 0;
  }
  return current_[used_++];
}

float RandomStream::next_uniform() { return static_cast<float>(next() >> 8) * 0x1p-24F; }

uint32_t RandomStream::next_below(uint32_t bound) {
  uint64_t product = uint64_t{next()} * bound;
  if (static_cast<uint32_t>(product) < bound) {
    const uint32_t threshold = -bound % bound;
    while (static_cast<uint32_t>(product) < threshold) product = uint64_t{next()} * bound;
  }
  return static_cast<uint32_t>(product >> 32);
}

std::vector<int32_t> random_permutation(int32_t count, RandomStream stream) {
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (uint32_t last = static_cast<uint32_t>(count); last > 1; --last)
    std::swap(order[last - 1], order[stream.next_below(last)]);
  return order;
}

}  // namespace fer_ddp
