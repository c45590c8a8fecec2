// A grid of blocks of threads as fibres of one thread of the host (device_words.h says what for).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

namespace fer_ddp::cuda_on_host {

struct Extent {
  constexpr Extent(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)  // NOLINT(google-explicit-constructor): as CUDA's
      : x(x_), y(y_), z(z_) {}
  unsigned x, y, z;
};

// Of the order in which blocks, and threads between barriers, run; for the kernels from now on.
void set_order(uint64_t seed);

// Runs body() as each thread of each block. Throws std::logic_error where a barrier is not reached by all of its
// threads, or shared memory is written behind its end; and whatever body() throws.
void run_grid(Extent grid, Extent block, size_t shared_bytes, const std::function<void()>& body);

// Kernels that were started so far.
[[nodiscard]] int64_t launches();

struct Launch {
  const void* kernel;  // its function
  Extent grid;
  Extent block;
  size_t shared_bytes;
};
// From now on each launch is shown to `observer` and not run; null: they run again.
void observe_launches(std::function<void(const Launch&)> observer);
// Whether it is to run.
[[nodiscard]] bool runs(const Launch& launch);

// Of the thread that runs.
[[nodiscard]] const Extent& current_thread();
[[nodiscard]] const Extent& current_block();
[[nodiscard]] const Extent& block_extent();
[[nodiscard]] const Extent& grid_extent();
[[nodiscard]] unsigned lane();
[[nodiscard]] void* shared_bytes();
void wait_for_block();
void wait_for_warp(unsigned mask);
void require_aligned(const void* address, size_t bytes);

// Room for what a lane shows the others of its warp. There are two, used in turns: a slow lane may still read one when
// a quick one writes the next.
constexpr size_t kExchangedBytes = 32;
[[nodiscard]] unsigned char* exchange_slot(unsigned of_lane);
void next_exchange();

// A value of each lane, seen by all of them.
template <typename T>
class Exchanged {
 public:
  explicit Exchanged(const T& own, unsigned mask = 0xffffffffU) {
    static_assert(sizeof(T) <= kExchangedBytes);
    next_exchange();
    std::memcpy(exchange_slot(lane()), &own, sizeof(T));
    wait_for_warp(mask);
  }
  [[nodiscard]] T of(unsigned of_lane) const {
    T value;
    std::memcpy(&value, exchange_slot(of_lane), sizeof(T));
    return value;
  }
};

template <typename T>
T exchange(unsigned mask, T value, unsigned from) {
  return Exchanged<T>(value, mask).of(from);
}

}  // namespace fer_ddp::cuda_on_host
