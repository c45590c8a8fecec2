#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/identity_communicator.h"
#include "tests/gpu/device_buffer.h"

namespace fer_ddp {

namespace {

int gpus() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) count = 0;
  cudaGetLastError();
  return count;
}

TEST(NcclReal, WithoutADriverTheReasonIsNamed) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess) GTEST_SKIP() << "this machine has a GPU";
  const Error error = cuda_error(code, "cudaGetDeviceCount");
  EXPECT_THAT(error.what(), testing::HasSubstr("cudaGetDeviceCount: "));
  EXPECT_THAT(error.advice(),
              testing::AnyOf(testing::HasSubstr("nvidia-smi"), testing::HasSubstr("CUDA_VISIBLE_DEVICES")));
  const auto world = make_identity_communicator();
  EXPECT_THROW(NcclReducer(*world, 0, nullptr, NcclReducer::Seconds(10)), Error);
}

TEST(NcclReal, ASumOfOneRankIsItsValues) {
  if (gpus() == 0) GTEST_SKIP() << "no GPU that can be used on this machine";
  const auto world = make_identity_communicator();
  const ComputeStream compute;
  NcclReducer reducer(*world, 0, compute.get(), NcclReducer::Seconds(30));
  DeviceBuffer<float> buffer(4, compute.get());
  const std::vector<float> values = {1.0F, -2.0F, 3.5F, 0.0F};
  std::vector<float> sum(4);
  buffer.fill_from(values);
  reducer.start_sum(buffer.span())->wait();
  buffer.copy_to(sum);
  reducer.wait_for_compute("the test's step");
  EXPECT_EQ(sum, values);
  reducer.close();
}

}  // namespace

}  // namespace fer_ddp
