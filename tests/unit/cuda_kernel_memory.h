// The memory of a kernel's test on the host, and its runs: what is read must stay as it is, nothing beside a buffer may
// be written, and the order in which blocks and threads run may not change a bit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <random>
#include <vector>

#include "device_words.h"
#include "step/device/device_kernels.h"

namespace fer_ddp::cuda {

using Doubles = std::vector<double>;

class KernelMemory {
 public:
  // Read alone.
  template <typename T>
  T* input(const std::vector<T>& numbers) {
    return place(numbers, false);
  }
  // Written: numbers are what it holds before.
  template <typename T>
  T* output(const std::vector<T>& numbers) {
    return place(numbers, true);
  }
  // Written: NaN before, or as bytes 255.
  template <typename T>
  T* output(int64_t size) {
    std::vector<T> numbers(static_cast<size_t>(size));
    if (size > 0) std::memset(static_cast<void*>(numbers.data()), 0xff, numbers.size() * sizeof(T));
    return place(numbers, true);
  }

  // Starts the kernels in several orders from the same memory.
  void run(const std::function<void()>& kernels) {
    for (const uint64_t seed : {1, 2, 3}) {
      for (Buffer& buffer : buffers_) buffer.bytes = buffer.before;
      cuda_on_host::set_order(seed);
      kernels();
      for (Buffer& buffer : buffers_) check(buffer, seed);
    }
  }

 private:
  static constexpr size_t kGuard = 64;

  struct Buffer {
    std::vector<unsigned char> before, bytes, first_result;
    bool is_written;
  };

  template <typename T>
  T* place(const std::vector<T>& numbers, bool is_written) {
    const size_t size = numbers.size() * sizeof(T);
    Buffer& buffer = buffers_.emplace_back();
    buffer.is_written = is_written;
    buffer.before.assign(size + 2 * kGuard, 0xa5);
    if (size > 0) std::memcpy(buffer.before.data() + kGuard, numbers.data(), size);
    buffer.bytes = buffer.before;
    return reinterpret_cast<T*>(buffer.bytes.data() + kGuard);
  }

  static void check(Buffer& buffer, uint64_t seed) {
    const auto& bytes = buffer.bytes;
    if (!buffer.is_written) {
      ASSERT_TRUE(bytes == buffer.before) << "an input was written";
      return;
    }
    const auto is_whole = [](auto from, auto to) {
      return std::all_of(from, to, [](unsigned char byte) { return byte == 0xa5; });
    };
    ASSERT_TRUE(is_whole(bytes.begin(), bytes.begin() + kGuard)) << "written before a buffer";
    ASSERT_TRUE(is_whole(bytes.end() - kGuard, bytes.end())) << "written behind a buffer";
    if (seed == 1) buffer.first_result = bytes;
    ASSERT_TRUE(bytes == buffer.first_result) << "another order of threads gave other bits";
  }

  std::deque<Buffer> buffers_;
};

// Numbers as a buffer of T holds them, and back.
template <typename T>
std::vector<T> as_values(const Doubles& numbers) {
  std::vector<T> values(numbers.size());
  std::transform(numbers.begin(), numbers.end(), values.begin(),
                 [](double number) { return from_float<T>(static_cast<float>(number)); });
  return values;
}
template <typename T>
double number(const T& value) {
  return static_cast<double>(to_float(value));
}
template <typename T>
double rounded(double number_) {
  return number(from_float<T>(static_cast<float>(number_)));
}

inline Doubles random_numbers(int64_t count, unsigned seed, double spread = 1, double middle = 0) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(middle, spread);
  Doubles numbers(static_cast<size_t>(count));
  for (double& drawn : numbers) drawn = normal(generator);
  return numbers;
}

// Half a unit in the last place of T, and what fp32 may lose in between.
template <typename T>
double tolerance(double expected, double scale = 1) {
  return (sizeof(T) == 2 ? std::abs(expected) / 256 : 0) + 4e-6 * (std::abs(expected) + scale);
}

// Counts what is off by more, so that a wrong kernel does not print a million lines.
template <typename T>
void expect_values(const T* values, const Doubles& expected, const char* what, double scale = 1) {
  int64_t wrong = 0;
  size_t first = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::abs(number(values[i]) - expected[i]) <= tolerance<T>(expected[i], scale)) continue;
    if (wrong++ == 0) first = i;
  }
  EXPECT_EQ(wrong, 0) << what << ": the first is " << first << ", " << number(values[first]) << " instead of "
                      << expected[first];
}

// Sums of fp32, where terms are those of the sum without their signs.
inline void expect_sums(const float* sums, const Doubles& expected, const Doubles& terms, const char* what) {
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(double{sums[i]}, expected[i], 2e-6 * terms[i] + 1e-6) << what << " " << i;
}

}  // namespace fer_ddp::cuda
