// What --profile says of a GPU: calls counted by kind and shape, what each has to do, and the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "comm/identity_communicator.h"
#include "launcher/kernel_profile.h"
#include "step/device/device_step.h"
#include "step/device/kernel_choice.h"
#include "step/device/kernel_work.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"

namespace fer_ddp {
namespace {

using ::testing::HasSubstr;

constexpr ValueKind kBf16{.bytes = 2, .on_matrix_units = true};

TEST(KernelWork, OfAConvolutionIsItsOperandsAndTwoOperationsAWeightAndPosition) {
  const KernelWork work =
      work_of_convolution({.input = {128, 23, 23, 32}, .output = {128, 21, 21, 64}, .kernel = 3}, kBf16);
  EXPECT_EQ(work.shape, "128 x 23 x 23 x 32 to 64, 3 x 3");
  EXPECT_EQ(work.bytes, 2 * (128 * 23 * 23 * 32 + 128 * 21 * 21 * 64 + 9 * 32 * 64));
  EXPECT_EQ(work.operations, 2.0 * 128 * 21 * 21 * 64 * 9 * 32);
  EXPECT_TRUE(work.on_matrix_units);
}

TEST(KernelWork, CountsWhatIsAddedToOnceMore) {
  const DeviceConvolution shape{.input = {2, 4, 4, 16}, .output = {2, 4, 4, 16}, .kernel = 3, .padding = 1};
  const double written = work_of_input_gradient(shape, false, kBf16).bytes;
  EXPECT_EQ(work_of_input_gradient(shape, true, kBf16).bytes - written, 2 * 2 * 4 * 4 * 16);
}

TEST(KernelWork, OfAnUpdateRuleIsWhatItKeepsOfAWeightAndWhatItRenews) {
  float value = 0;
  uint8_t byte = 0;
  const WeightUpdate plain{.size = 160};
  const WeightUpdate all{.size = 160, .average = &value, .values = &value};
  EXPECT_EQ(work_of(AdamStep{.update = plain}, kBf16).bytes, 160 * 28);
  EXPECT_EQ(work_of(AdamStep{.update = all}, kBf16).bytes, 160 * 38);
  EXPECT_EQ(work_of(AdamStep{.update = plain, .decaying = &byte}, kBf16).bytes, 160 * 28 + 10);
  EXPECT_EQ(work_of(SgdStep{.update = plain}, kBf16).bytes, 160 * 12);
  EXPECT_EQ(work_of(SgdStep{.update = all, .velocity = &value, .decaying = &byte}, kBf16).bytes, 160 * 30 + 10);
  EXPECT_EQ(work_of(GradientClip{.size = 160}).bytes, 160 * 4);
}

TEST(KernelWork, OfMuonTellsFiltersFromOtherWeights) {
  float value = 0;
  const WeightUpdate all{.size = 160, .average = &value, .values = &value};
  EXPECT_EQ(work_of(MuonDirections{.update = all, .filter_size = 96}, kBf16).bytes,
            160 * 12 + 10 * 4 + 96 * 4 + 64 * 18);
  const std::vector<MuonMatrix> matrices = {{.size = 64}, {.size = 32}};
  const KernelWork work = work_of(MuonFilters{.update = all, .matrices = matrices}, kBf16);
  EXPECT_EQ(work.shape, "96 weights in 2 matrices");
  EXPECT_EQ(work.bytes, 96 * 22);
}

TEST(KernelWork, OfChangedImagesIsTheirBytesAndRecordsAndTheFloatsWritten) {
  const KernelWork work = work_of(ChangedImages{.images = 100});
  EXPECT_EQ(work.shape, "100 x 48 x 48");
  EXPECT_EQ(work.bytes, 100 * (2304 + 412 + 9216));
}

TEST(KernelWork, TakesTheLongerOfMovingAndComputing) {
  const KernelWork work{.bytes = 1e6, .operations = 1e9, .on_matrix_units = true};
  EXPECT_DOUBLE_EQ(work.least_seconds({.bytes_per_second = 1e12, .tensor_operations_per_second = 1e12}), 1e-3);
  EXPECT_DOUBLE_EQ(work.least_seconds({.bytes_per_second = 1e12, .tensor_operations_per_second = 1e18}), 1e-6);
  EXPECT_DOUBLE_EQ(work.least_seconds({.bytes_per_second = 1e12}), 1e-6);
}

struct Trained {
  std::vector<KernelTime> times;
  Faces faces = Faces::patches(6);
};

// Two steps of six images, with an evaluation between.
Trained train(bool keeps_times, StepChoice step_choice) {
  const Config config{
      .batch_size = 6, .augment = AugmentPreset::kFull, .device = DeviceChoice::kCuda, .step = step_choice};
  Trained trained;
  const Dataset dataset = dataset_of(trained.faces);
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  HostRuntime runtime(*communicator, [](Precision precision) { return make_host_kernels(precision); });
  if (keeps_times) runtime.keep_kernel_times();
  DeviceStep step(*model, *optimizer, dataset, runtime, config, nullptr,
                  choose_kernels(config, model->network(), runtime, *communicator));
  step.begin_epoch(0, trained.faces.rows);
  for (int i = 0; i < 2; ++i) {
    step.run(trained.faces.batch(), 0.001);
    EXPECT_GT(step.evaluate(dataset, Split::kTrain, {0, 6}).loss, 0);
  }
  step.synchronize();
  trained.times = step.kernel_times();
  return trained;
}

TEST(KernelTimes, AreThoseOfTheStepsCallsAlone) {
  const std::vector<KernelTime> times = train(true, StepChoice::kFused).times;
  const auto find = [&](const std::string& kernel) {
    return std::find_if(times.begin(), times.end(), [&](const KernelTime& row) { return row.work.kernel == kernel; });
  };
  ASSERT_NE(find("convolution"), times.end());
  EXPECT_EQ(find("convolution")->calls, 2);
  EXPECT_EQ(find("convolution")->launches, 2);
  EXPECT_DOUBLE_EQ(find("convolution")->seconds, 2 * HostClock::kSeconds);
  EXPECT_EQ(find("changed images")->launches, 2);
  EXPECT_EQ(find("Adam")->calls, 2);
  EXPECT_EQ(find("classify, logits alone"), times.end()) << "evaluation was counted";
  for (const KernelTime& row : times) {
    EXPECT_EQ(row.calls % 2, 0) << row.work.kernel;
    EXPECT_GT(row.work.bytes, 0) << row.work.kernel;
  }
}

TEST(KernelTimes, AreKeptOnlyWhereTheyAreAskedFor) {
  EXPECT_TRUE(train(false, StepChoice::kFused).times.empty());
  EXPECT_TRUE(train(true, StepChoice::kAutograd).times.empty()) << "the double names no kernels of LibTorch's";
}

TEST(KernelTable, SaysHowCloseEachComesToTheGpu) {
  const std::vector<KernelTime> times = {
      {.work = {.kernel = "convolution", .shape = "a shape", .bytes = 5e6, .operations = 1e9, .on_matrix_units = true},
       .calls = 20,
       .launches = 20,
       .seconds = 400e-6},
      {.work = {.kernel = "at::native::elementwise_kernel<4, double>(int)"}, .launches = 30, .seconds = 100e-6}};
  const std::string table = kernel_table(times, 10, {1e12, 1e13, 1e14});
  EXPECT_THAT(table, HasSubstr("10 steps without graphs, of 5.0 kernels and 50.0 us in them"));
  EXPECT_THAT(table, HasSubstr("20.0 us at least"));
  EXPECT_THAT(table, HasSubstr("a shape"));
  // A call takes 20 us: 5 MB are a quarter of what the memory moves then, and 1 GFLOP half of what could be computed.
  EXPECT_THAT(table,
              ::testing::ContainsRegex("convolution +a shape +2\\.0 +40\\.0 +80\\.0% +5\\.00 +1\\.000 +25% +50%\n"));
  EXPECT_THAT(table, ::testing::ContainsRegex("at::native::elementwise_kernel +3\\.0 +10\\.0 +20\\.0%$"));
}

TEST(KernelTable, OfNoStepsSaysSo) { EXPECT_THAT(kernel_table({}, 3, {}), HasSubstr("no profile")); }

}  // namespace
}  // namespace fer_ddp
