// Convolutions by LibTorch's operators in place of this project's kernels: the same numbers within rounding, chosen by
// what is quicker, and the same bits again by a choice that was kept.
#include "step/device/chosen_kernels.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/identity_communicator.h"
#include "network/table.h"
#include "step/device/device_step.h"
#include "step/device/kernel_choice.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;

constexpr double kNone = 1e30;

// Three convolutions that read no image: of stride 1, of stride 2, of one tap.
Network network() {
  return parse_network(
      R"({"layers": [{"convolution": 16}, {"relu": {}}, {"max_pool": 2}, {"max_pool": 2},
                     {"convolution": 32}, {"batch_norm": {}}, {"relu": {}},
                     {"convolution": 48, "padding": 1, "stride": 2}, {"relu": {}},
                     {"convolution": 16, "kernel": 1}, {"relu": {}}, {"global_average_pool": {}}, {"dense": 7}]})",
      "table");
}

at::ScalarType type_of(Precision precision) { return precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat; }

double distance(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wanted = b.to(at::kDouble);
  return ((a.to(at::kDouble) - wanted).abs().max() / wanted.abs().max()).item<double>();
}

class LibraryConvolutionsIn : public ::testing::TestWithParam<Precision> {};

TEST_P(LibraryConvolutionsIn, ComputeWhatTheKernelsDo) {
  const auto kernels = make_host_kernels(GetParam());
  const LibraryConvolutions library(at::kCPU, kernels->value_bytes());
  const double near = GetParam() == Precision::kBf16 ? 2e-2 : 1e-5;
  at::manual_seed(1);
  const auto values = [](int64_t count) { return at::randn({count}).to(type_of(GetParam())); };
  const Network table = network();
  const std::vector<DeviceConvolution> shapes = large_convolutions(plan_stages(table), 3, 0);
  ASSERT_EQ(shapes.size(), 3U);
  for (const DeviceConvolution& shape : shapes) {
    const at::Tensor x = values(shape.input.size());
    const at::Tensor w = values(shape.weights());
    const at::Tensor dy = values(shape.output.size());
    at::Tensor own = values(shape.output.size());
    at::Tensor librarys = values(shape.output.size());
    kernels->convolution(shape, x.data_ptr(), w.data_ptr(), own.data_ptr());
    library.convolution(shape, x.data_ptr(), w.data_ptr(), librarys.data_ptr());
    EXPECT_LT(distance(librarys, own), near);
    for (const bool add : {false, true}) {
      own = values(shape.input.size());
      librarys = own.clone();
      kernels->convolution_input_gradient(shape, dy.data_ptr(), w.data_ptr(), own.data_ptr(), add);
      library.input_gradient(shape, dy.data_ptr(), w.data_ptr(), librarys.data_ptr(), add);
      EXPECT_LT(distance(librarys, own), near) << add;
    }
    const WeightGradientParts parts = kernels->weight_gradient_parts(shape);
    const at::Tensor room = at::zeros({parts.count, shape.weights()});
    kernels->convolution_weight_gradient(shape, x.data_ptr(), dy.data_ptr(), room.data_ptr<float>());
    own = room.sum(0);
    if (parts.is_turned) own = own.view({-1, shape.output.channels}).t().contiguous().view({-1});
    librarys = at::full({shape.weights()}, 7.0F);
    library.weight_gradient(shape, x.data_ptr(), dy.data_ptr(), librarys.data_ptr<float>());
    EXPECT_LT(distance(librarys, own), near);
  }
}

TEST_P(LibraryConvolutionsIn, TakeNoImages) {
  const LibraryConvolutions library(at::kCPU, type_of(GetParam()) == at::kFloat ? 4 : 2);
  const DeviceConvolution shape{.input = {0, 4, 4, 16}, .output = {0, 2, 2, 16}};
  at::Tensor gradient = at::full({shape.weights()}, 7.0F);
  library.convolution(shape, nullptr, gradient.data_ptr(), nullptr);
  library.input_gradient(shape, nullptr, gradient.data_ptr(), nullptr, true);
  library.weight_gradient(shape, nullptr, nullptr, gradient.data_ptr<float>());
  EXPECT_EQ(gradient.abs().max().item<float>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Precisions, LibraryConvolutionsIn, ::testing::Values(Precision::kFp32, Precision::kBf16),
                         [](const auto& precision) { return choice_word(precision.param); });

// What starts kernels of ours takes so long; the library starts none.
auto timer(double seconds_of_own) {
  return [seconds_of_own](const std::function<void()>& work) {
    const int64_t before = host_kernel_launches();
    work();
    return host_kernel_launches() > before ? seconds_of_own : 1.0;
  };
}

// A run on a device of its own.
class DeviceRun {
 public:
  explicit DeviceRun(double seconds_of_own, double fewest_measured = 0, const std::optional<std::string>& choices = {},
                     ConvolutionChoice convolutions = ConvolutionChoice::kAuto) {
    config_.convolutions = convolutions;
    runtime_.time_by(timer(seconds_of_own));
    step_ = std::make_unique<DeviceStep>(
        *model_, *optimizer_, dataset_, runtime_, config_, nullptr,
        choose_kernels(config_, model_->network(), runtime_, *communicator_, choices, fewest_measured));
  }

  [[nodiscard]] DeviceStep& step() { return *step_; }

  // The weights after two steps.
  at::Tensor train() {
    step_->begin_epoch(0, faces_.rows);
    for (int i = 0; i < 2; ++i) step_->run(faces_.batch(), 0.01);
    step_->synchronize();
    return model_->store().flat_weights().detach().clone();
  }

 private:
  Faces faces_ = Faces::patches(3);
  Config config_{.batch_size = 3, .init = "uniform_fan_in", .device = DeviceChoice::kCuda};
  std::unique_ptr<Communicator> communicator_ = make_identity_communicator();
  std::unique_ptr<Model> model_ = make_model(network(), config_);
  std::unique_ptr<Optimizer> optimizer_ = make_optimizer(config_, model_->store().layout());
  HostRuntime runtime_{*communicator_, [](Precision precision) { return make_host_kernels(precision); }};
  Dataset dataset_ = dataset_of(faces_);
  std::unique_ptr<DeviceStep> step_{};
};

TEST(ChosenKernels, AreThisProjectsWhereTheyAreAsQuick) {
  EXPECT_EQ(DeviceRun(1.0).step().choices(), "host, fp32");
  EXPECT_TRUE(at::equal(DeviceRun(1.0).train(), DeviceRun(1.0, kNone).train()));
}

TEST(ChosenKernels, AreTheLibrarysInEachPassThatItIsQuickerIn) {
  DeviceRun run(2.0);
  const std::string choices = run.step().choices();
  for (const char* pass : {"\nforward 11x11x16 to 9x9x32, 3x3 by 1", "\ninput gradient 11x11x16 to 9x9x32, 3x3 by 1",
                           "\nweight gradient 9x9x32 to 5x5x48, 3x3 by 2", "\nforward 5x5x48 to 5x5x16, 1x1 by 1"})
    EXPECT_THAT(choices, HasSubstr(pass));
  EXPECT_EQ(std::count(choices.begin(), choices.end(), '\n'), 9);
  EXPECT_THAT(run.step().computed_by(), HasSubstr("but for 9 passes of large convolutions"));
  EXPECT_LT(distance(run.train(), DeviceRun(1.0).train()), 1e-3);
}

TEST(ChosenKernels, AreNotMeasuredWhereConvolutionsAreSmall) {
  DeviceRun run(2.0, kFewestMeasuredOperations);
  EXPECT_EQ(run.step().choices(), "");
  EXPECT_EQ(run.step().computed_by(), "this project's kernels");
  EXPECT_TRUE(at::equal(run.train(), DeviceRun(1.0).train()));
}

TEST(ChosenKernels, GiveTheSameBitsByAChoiceThatWasKept) {
  for (const double seconds : {1.0, 2.0}) {
    DeviceRun first(seconds);
    DeviceRun resumed(seconds == 1.0 ? 2.0 : 1.0);
    ASSERT_NE(resumed.step().choices(), first.step().choices());
    resumed.step().use_choices(first.step().choices());
    EXPECT_EQ(resumed.step().choices(), first.step().choices());
    EXPECT_TRUE(at::equal(resumed.train(), first.train())) << seconds;
  }
}

TEST(ChosenKernels, KeepTheirOwnChoiceWhereAnotherDevicesIsGiven) {
  DeviceRun run(2.0);
  const std::string own = run.step().choices();
  for (const char* other : {"NVIDIA H100 80GB HBM3, fp32\nforward 1x1x1 to 1x1x1, 1x1 by 1", "host, bf16", "", "\n"}) {
    run.step().use_choices(other);
    EXPECT_EQ(run.step().choices(), own) << other;
  }
}

TEST(ChosenKernels, AreThoseOfAnEarlierRunWithoutBeingMeasured) {
  DeviceRun first(2.0);
  DeviceRun again(1.0, 0, first.step().choices());
  EXPECT_EQ(again.step().choices(), first.step().choices());
  EXPECT_TRUE(at::equal(again.train(), first.train()));
  EXPECT_EQ(DeviceRun(2.0, 0, "").step().choices(), "host, fp32") << "that one had chosen nothing";
}

TEST(ChosenKernels, AreAllOfOneKindWhereTheConfigurationSaysSo) {
  DeviceRun own(2.0, 0, {}, ConvolutionChoice::kOwn);
  EXPECT_EQ(own.step().choices(), "");
  EXPECT_TRUE(at::equal(own.train(), DeviceRun(1.0).train()));
  DeviceRun librarys(1.0, kNone, {}, ConvolutionChoice::kCudnn);
  EXPECT_EQ(librarys.step().choices(), "");
  EXPECT_THAT(librarys.step().computed_by(), HasSubstr("but for convolutions by LibTorch's operators"));
  EXPECT_TRUE(at::equal(librarys.train(), DeviceRun(2.0).train())) << "large ones are all there are";
}

TEST(ChosenKernels, AreThisProjectsWhereTheLibraryCannotRunThem) {
  const auto communicator = make_identity_communicator();
  HostRuntime runtime(*communicator, [](Precision precision) { return make_host_kernels(precision); });
  runtime.time_by([](const std::function<void()>& work) -> double {
    const int64_t before = host_kernel_launches();
    work();
    if (host_kernel_launches() == before) TORCH_CHECK(false, "unable to find an engine to execute this computation");
    return 1.0;
  });
  EXPECT_EQ(choose_kernels(Config{.batch_size = 1}, network(), runtime, *communicator, {}, 0)->choices(), "host, fp32");
}

TEST(ChosenKernels, AreMeasuredForTeachersToo) {
  const auto communicator = make_identity_communicator();
  HostRuntime runtime(*communicator, [](Precision precision) { return make_host_kernels(precision); });
  runtime.time_by(timer(2.0));
  const Config config{.batch_size = 1, .init = "uniform_fan_in"};
  std::vector<std::unique_ptr<Model>> models;
  models.push_back(make_model(parse_network(R"({"layers": [
      {"convolution": 16}, {"relu": {}}, {"max_pool": 2}, {"max_pool": 2}, {"convolution": 64, "padding": 1}, {"relu": {}},
      {"global_average_pool": {}}, {"dense": 7}]})",
                                            "table"),
                              config));
  const Teachers teachers(std::move(models));
  const std::string choices = choose_kernels(config, network(), runtime, *communicator, {}, 0, &teachers)->choices();
  EXPECT_THAT(choices, HasSubstr("\nforward 11x11x16 to 11x11x64, 3x3 by 1"));
  EXPECT_EQ(std::count(choices.begin(), choices.end(), '\n'), 12);
}

TEST(ChosenKernels, LeaveTheLibraryOnlyWhatItIsClearlyQuickerIn) {
  EXPECT_EQ(DeviceRun(1.04).step().choices(), "host, fp32");
  EXPECT_NE(DeviceRun(1.07).step().choices(), "host, fp32");
}

}  // namespace

}  // namespace fer_ddp
