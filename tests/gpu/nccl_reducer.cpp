#include "cuda/nccl_reducer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstdlib>

#include "tests/gpu/device_buffer.h"
#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;
using Seconds = NcclReducer::Seconds;

constexpr size_t kSize = 70001;  // several of the double's chunks, and a rest

std::vector<float> values_of(int rank, int step) {
  std::vector<float> values(kSize);
  for (size_t i = 0; i < kSize; ++i)
    values[i] = static_cast<float>((i * 7 + static_cast<size_t>(rank * 13 + step)) % 101);
  return values;
}

std::vector<float> sum_of_all(int size, int step) {
  std::vector<float> sums(kSize);
  for (int rank = 0; rank < size; ++rank) {
    const std::vector<float> values = values_of(rank, step);
    for (size_t i = 0; i < kSize; ++i) sums[i] += values[i];
  }
  return sums;
}

TEST(NcclReducer, SumsTakeTheirPlaceInTheOrderOfTheComputeStream) {
  Communicator& world = world_communicator();
  const ComputeStream compute;
  NcclReducer reducer(world, 0, compute.get(), Seconds(30));
  DeviceBuffer<float> first(kSize, compute.get());
  DeviceBuffer<float> second(kSize, compute.get());
  DeviceBuffer<double> statistics(3, compute.get());
  for (int step = 0; step < 5; ++step) {
    const std::vector<float> one = values_of(world.rank(), step);
    const std::vector<float> two = values_of(world.rank(), step + 50);
    const std::vector<double> three = {1.0, static_cast<double>(world.rank()), 0.5};
    // Two buckets start before either is waited for, with statistics between them; the host waits once.
    first.fill_from(one);
    const auto pending_first = reducer.start_sum(first.span());
    statistics.fill_from(three);
    reducer.all_reduce(statistics.span(), ReduceOperation::kMax);
    second.fill_from(two);
    const auto pending_second = reducer.start_sum(second.span());
    pending_first->wait();
    pending_second->wait();
    std::vector<float> first_sum(kSize);
    std::vector<float> second_sum(kSize);
    std::vector<double> most(3);
    first.copy_to(first_sum);
    second.copy_to(second_sum);
    statistics.copy_to(most);
    reducer.wait_for_compute("the test's step");
    EXPECT_EQ(first_sum, sum_of_all(world.size(), step));
    EXPECT_EQ(second_sum, sum_of_all(world.size(), step + 50));
    EXPECT_EQ(most, (std::vector<double>{1.0, world.size() - 1.0, 0.5}));
  }
  reducer.close();
}

// Of whole numbers that eight bits hold.
TEST(NcclReducer, SumsBfloat16Values) {
  Communicator& world = world_communicator();
  const ComputeStream compute;
  NcclReducer reducer(world, 0, compute.get(), Seconds(30));
  DeviceBuffer<uint16_t> buffer(kSize, compute.get());
  const auto bits_of = [](size_t value) {
    return static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16);
  };
  const auto ranks = static_cast<size_t>(world.size());
  std::vector<uint16_t> mine(kSize);
  std::vector<uint16_t> expected(kSize);
  for (size_t i = 0; i < kSize; ++i) {
    mine[i] = bits_of(i % 37 + static_cast<size_t>(world.rank()));
    expected[i] = bits_of(i % 37 * ranks + ranks * (ranks - 1) / 2);
  }
  std::vector<uint16_t> sum(kSize);
  buffer.fill_from(mine);
  reducer.start_bfloat16_sum(buffer.span())->wait();
  buffer.copy_to(sum);
  reducer.wait_for_compute("the test's step");
  EXPECT_EQ(sum, expected);
  reducer.close();
}

TEST(NcclReducer, CallsThatStayInProgressAreWaitedFor) {
  setenv("FER_DDP_DOUBLE_SLOW_MS", "20", 1);
  Communicator& world = world_communicator();
  const ComputeStream compute;
  NcclReducer reducer(world, 1, compute.get(), Seconds(30));
  DeviceBuffer<float> buffer(kSize, compute.get());
  const std::vector<float> mine = values_of(world.rank(), 0);
  std::vector<float> sum(kSize);
  buffer.fill_from(mine);
  reducer.start_sum(buffer.span())->wait();
  reducer.start_sum(buffer.span())->wait();
  buffer.copy_to(sum);
  reducer.wait_for_compute("the test's step");
  unsetenv("FER_DDP_DOUBLE_SLOW_MS");
  std::vector<float> expected = sum_of_all(world.size(), 0);
  for (float& value : expected) value *= static_cast<float>(world.size());
  EXPECT_EQ(sum, expected);
  reducer.close();
}

TEST(NcclReducer, WhatNcclRefusesNamesRankOperationAndReason) {
  Communicator& world = world_communicator();
  const ComputeStream compute;
  NcclReducer reducer(world, 0, compute.get(), Seconds(30));
  std::vector<float> host_memory(8);
  try {
    (void)reducer.start_sum(host_memory);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kMachine);
    EXPECT_THAT(error.what(), HasSubstr("rank " + std::to_string(world.rank()) + " on "));
    EXPECT_THAT(error.what(),
                HasSubstr("all-reduce of gradients: ncclAllReduce: invalid argument: not the GPU's memory"));
    EXPECT_THAT(error.advice(), HasSubstr("NCCL_DEBUG"));
  }
  world.barrier();
}

TEST(NcclReducer, AGpuThatIsNotThereIsNamed) {
  const ComputeStream compute;
  try {
    const NcclReducer reducer(world_communicator(), 2, compute.get(), Seconds(30));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cudaSetDevice: invalid device ordinal"));
  }
}

TEST(CudaError, SaysWhatAMachineWithoutDriverOrGpuLooksLike) {
  for (const auto& [gpus, advice] : {std::pair("-1", "No NVIDIA driver here"), {"0", "look at CUDA_VISIBLE_DEVICES"}}) {
    setenv("FER_DDP_DOUBLE_GPUS", gpus, 1);
    int count = -1;
    const cudaError_t code = cudaGetDeviceCount(&count);
    EXPECT_NE(code, cudaSuccess);
    EXPECT_THAT(cuda_error(code, "cudaGetDeviceCount").advice(), HasSubstr(advice));
    unsetenv("FER_DDP_DOUBLE_GPUS");
  }
  cudaGetLastError();
}

}  // namespace

}  // namespace fer_ddp
