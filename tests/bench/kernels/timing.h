// What the kernels' benchmarks share: processor time of the calling thread, on which others of the machine count
// little, and values to compute with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <random>

#include "kernels/aligned_buffer.h"
#include "kernels/peak.h"

namespace fer_ddp {

inline double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The least of `rounds` calls, after one that warms up.
template <typename Work>
double least_seconds(int rounds, const Work& work) {
  double least = 1e30;
  for (int round = 0; round <= rounds; ++round) {
    const double begin = processor_seconds();
    work();
    if (round > 0) least = std::min(least, processor_seconds() - begin);
  }
  return least;
}

inline double peak_flops(int rounds) {
  int64_t operations = 0;
  const double seconds = least_seconds(rounds, [&] { operations = run_at_peak(100'000'000); });
  return static_cast<double>(operations) / seconds;
}

inline AlignedBuffer<float> random_floats(int64_t count, float spread) {
  AlignedBuffer<float> values(static_cast<size_t>(count));
  std::minstd_rand generator(1);
  for (float& value : values.span()) value = spread * (static_cast<float>(generator() % 2048) / 1024.0F - 1.0F);
  return values;
}

}  // namespace fer_ddp
