// The host's stand-in for CUDA finds what it is there to find, and its words do what CUDA's do.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "device_words.h"

namespace fer_ddp::cuda {

namespace {

// Each thread reads what its neighbour has written.
__global__ void rotate(int* output, bool with_barrier) {
  auto* const shared = shared_memory<int>();
  const unsigned self = threadIdx.x;
  shared[self] = static_cast<int>(self);
  if (with_barrier) __syncthreads();
  output[self] = shared[(self + 1) % blockDim.x];
}

TEST(CudaOnHost, AMissingBarrierIsFound) {
  std::vector<int> expected(64), output(64);
  for (int i = 0; i < 64; ++i) expected[static_cast<size_t>(i)] = (i + 1) % 64;
  for (const uint64_t seed : {1, 2, 3}) {
    cuda_on_host::set_order(seed);
    launch(dim3(1), dim3(64), 256, nullptr, rotate, output.data(), true);
    EXPECT_EQ(output, expected);
    launch(dim3(1), dim3(64), 256, nullptr, rotate, output.data(), false);
    EXPECT_NE(output, expected);
    EXPECT_TRUE(std::count(output.begin(), output.end(), -1) > 0) << "what nobody has written is poisoned";
  }
}

__global__ void wait_by_halves(bool all) {
  if (all || threadIdx.x < 32) __syncthreads();
}
TEST(CudaOnHost, ABarrierThatSomeThreadsDoNotReachIsFound) {
  EXPECT_NO_THROW(launch(dim3(2), dim3(64), 0, nullptr, wait_by_halves, true));
  EXPECT_THROW(launch(dim3(2), dim3(64), 0, nullptr, wait_by_halves, false), std::logic_error);
  EXPECT_NO_THROW(launch(dim3(2), dim3(64), 0, nullptr, wait_by_halves, true));
}

__global__ void write_at(unsigned index) {
  if (threadIdx.x == 0) shared_memory<int>()[index] = 0;
}
TEST(CudaOnHost, SharedMemoryWrittenBehindItsEndIsFound) {
  EXPECT_NO_THROW(launch(dim3(1), dim3(32), 64, nullptr, write_at, 15U));
  EXPECT_THROW(launch(dim3(1), dim3(32), 64, nullptr, write_at, 16U), std::logic_error);
}

__global__ void read_at(const float* from) { static_cast<void>(load_words<4>(from)); }
TEST(CudaOnHost, AnAddressThatIsNotAlignedIsFound) {
  alignas(16) const float numbers[8] = {};
  EXPECT_NO_THROW(launch(dim3(1), dim3(1), 0, nullptr, read_at, &numbers[4]));
  EXPECT_THROW(launch(dim3(1), dim3(1), 0, nullptr, read_at, &numbers[1]), std::logic_error);
}

__global__ void sum_by_shuffles(int* output) {
  int value = static_cast<int>(threadIdx.x);
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(0xffffffffU, value, lanes);
  output[blockIdx.x * blockDim.x + threadIdx.x] = __shfl_sync(0xffffffffU, value, 3);
}
TEST(CudaOnHost, ShufflesExchangeWithinAWarp) {
  std::vector<int> output(128);
  launch(dim3(2), dim3(64), 0, nullptr, sum_by_shuffles, output.data());
  for (size_t i = 0; i < output.size(); ++i) EXPECT_EQ(output[i], i % 64 < 32 ? 496 : 496 + 32 * 32);
}

__global__ void count_blocks(unsigned* counter, unsigned* last) {
  const unsigned before = atomicAdd(counter, 1U);
  if (before + 1 == gridDim.x * gridDim.y) *last = blockIdx.y * gridDim.x + blockIdx.x;
}
TEST(CudaOnHost, TheOrderOfBlocksIsDrawnFromTheSeed) {
  std::vector<unsigned> last;
  for (const uint64_t seed : {1, 2, 3, 4}) {
    unsigned counter = 0;
    cuda_on_host::set_order(seed);
    launch(dim3(5, 7), dim3(1), 0, nullptr, count_blocks, &counter, &last.emplace_back());
    EXPECT_EQ(counter, 35U);
  }
  EXPECT_FALSE(std::all_of(last.begin(), last.end(), [&](unsigned block) { return block == last[0]; }));
}

// c [16][8] = a [16][16] b [16][8], a and b [8][16] in shared memory as a kernel has them: rows of inner numbers.
__global__ void multiply_bf16(const Bf16* a, const Bf16* b, float* c) {
  auto* const shared = shared_memory<Bf16>();
  const unsigned lane = threadIdx.x;
  start_copy_16(shared + 8 * lane, a + 8 * lane, true);
  start_copy_16(shared + 256 + 8 * lane, b + 8 * lane, lane < 16);
  end_copy_group();
  wait_for_copy_groups<0>();
  __syncwarp();
  // Matrices of a: rows 0-7 and 8-15 of columns 0-7, then of 8-15; of b: columns 0-7, 8-15, and zeros.
  uint32_t of_a[4], of_b[4];
  load_matrices(of_a, shared + lane % 16 * 16 + lane / 16 * 8);
  load_matrices(of_b, shared + 256 + (lane % 8 + lane / 16 * 8) * 16 + lane / 8 % 2 * 8);
  const uint32_t pair[2] = {of_b[0], of_b[1]};
  float sum[4] = {};
  multiply_add_bf16(sum, of_a, pair);
  for (unsigned i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + 2 * (lane % 4) + i % 2] = sum[i];
}
TEST(CudaOnHost, AWarpMultipliesMatrices) {
  alignas(16) Bf16 a[256], b[128];
  for (int i = 0; i < 256; ++i) a[i] = from_float<Bf16>(static_cast<float>(i % 23 - 11));
  for (int i = 0; i < 128; ++i) b[i] = from_float<Bf16>(static_cast<float>(i % 19 - 9));
  float c[128];
  launch(dim3(1), dim3(32), 1024, nullptr, multiply_bf16, static_cast<const Bf16*>(a), static_cast<const Bf16*>(b),
         static_cast<float*>(c));
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      float expected = 0;
      for (int k = 0; k < 16; ++k) expected += to_float(a[16 * row + k]) * to_float(b[16 * column + k]);
      EXPECT_EQ(c[8 * row + column], expected);
    }
}

TEST(CudaOnHost, Bfloat16IsRoundedToTheNearestEven) {
  EXPECT_EQ(to_float(from_float<Bf16>(1.0F + 1.0F / 256)), 1.0F);
  EXPECT_EQ(to_float(from_float<Bf16>(1.0F + 3.0F / 256)), 1.0F + 4.0F / 256);
  EXPECT_EQ(to_float(from_float<Bf16>(1.0F + 1.1F / 256)), 1.0F + 2.0F / 256);
  EXPECT_TRUE(std::isnan(to_float(from_float<Bf16>(std::nanf("")))));
  EXPECT_TRUE(std::isinf(to_float(from_float<Bf16>(3.4e38F))));
}

}  // namespace

}  // namespace fer_ddp::cuda
