// Steps that learn from teachers, between real MPI processes: by the fused engines the same bits as in a world of one,
// by the others the same numbers within rounding, on augmented and mixed images, also where ranks have uneven shares of
// the batch or none.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "comm/identity_communicator.h"
#include "data/sampler.h"
#include "network/table.h"
#include "step/step_choice.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"
#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

constexpr const char* kSmall = R"({"name": "small", "input": "standardize_image", "layers": [
  {"convolution": 16}, {"batch_norm": {}}, {"relu": {}}, {"max_pool": 2}, {"max_pool": 2},
  {"convolution": 32, "padding": 1}, {"batch_norm": {}}, {"relu": {}}, {"global_average_pool": {}}, {"dense": 7}]})";

// Of plain stages, on another scale of pixels.
constexpr const char* kPlain = R"({"layers": [
  {"convolution": 16}, {"relu": {}}, {"max_pool": 2}, {"global_average_pool": {}}, {"dense": 7}]})";

// One that pools the image, which no stage does.
constexpr const char* kOperators = R"({"layers": [
  {"average_pool": 4}, {"convolution": 8}, {"relu": {}}, {"global_average_pool": {}}, {"dense": 7}]})";

Network network_of(const std::string& table) {
  return table.starts_with("{") ? parse_network(table, "table") : load_network(table);
}

struct Lesson {
  const char* name;
  std::string student;
  double temperature;
  StepChoice step = StepChoice::kAuto;
  std::vector<std::string> teachers = {kSmall, "seed_cnn"};
  bool on_device = false;
  bool has_kernels = false;  // the device, of its own
};

Config config_of(const Lesson& lesson) {
  Config config{.batch_size = 13, .optimizer = OptimizerRule::kSgd, .init = "uniform_fan_in", .label_smoothing = 0.1};
  config.momentum = 0.5;
  config.random_seed = 3;
  config.epochs = 2;
  config.augment = AugmentPreset::kFull;
  config.augment_mixup = 0.4;
  config.augment_cutmix = 1;
  config.distill_from = lesson.teachers;
  config.distill_weight = 0.7;
  config.distill_temperature = lesson.temperature;
  config.step = lesson.step;
  return config;
}

Teachers teachers_of(const Config& config) {
  std::vector<std::unique_ptr<Model>> models;
  for (const std::string& table : config.distill_from) {
    Config own;
    own.random_seed = 5;
    own.init = "uniform_fan_in";
    models.push_back(make_model(network_of(table), own));
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : models.back()->store().parameters())
      if (parameter.name.starts_with("fc")) at::Tensor(parameter.value).mul_(5);  // of a clear opinion
  }
  return Teachers(std::move(models));
}

struct Learnt {
  std::vector<float> numbers;  // weights, the optimizer's, running statistics
  double loss = 0;             // over all ranks
};

// Two steps, of 13 and of 3 images.
Learnt learn(Communicator& communicator, const Lesson& lesson, bool has_teachers = true) {
  const Config config = config_of(lesson);
  const Faces faces = Faces::patches(16);
  PerSplit<SplitView> splits;
  splits[Split::kTrain] = {.images = faces.images, .labels = faces.labels};
  const Dataset dataset{Manifest{}, "faces", "", splits};
  const auto model = make_model(network_of(lesson.student), config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  Teachers teachers = teachers_of(config);
  HostRuntime runtime(communicator,
                      [&](Precision precision) { return lesson.has_kernels ? make_host_kernels(precision) : nullptr; });
  const auto step = make_training_step(config, *model, *optimizer, dataset, communicator,
                                       lesson.on_device ? &runtime : nullptr, has_teachers ? &teachers : nullptr);
  step->begin_epoch(0, faces.rows);
  BatchSums sums;
  for (int64_t number = 0; number < 2; ++number) {
    const PositionRange batch = global_batch(16, config.batch_size, number);
    const PositionRange mine = rank_share(batch, communicator.rank(), communicator.size());
    const std::span<const int32_t> order = faces.rows;
    sums += step->run({.images = faces.images,
                       .labels = faces.labels,
                       .rows = order.subspan(static_cast<size_t>(mine.begin), static_cast<size_t>(mine.size())),
                       .global_images = batch.size(),
                       .first_position = mine.begin,
                       .batch_position = batch.begin,
                       .epoch = 0,
                       .batch_rows = order.subspan(static_cast<size_t>(batch.begin), static_cast<size_t>(batch.size())),
                       .recipe = image_recipe(config, 0)},
                      0.01);
  }
  sums += step->synchronize();
  std::array<double, 1> loss = {sums.loss};
  communicator.all_reduce(std::span<double>(loss), ReduceOperation::kSum);
  Learnt learnt{.numbers = {model->store().weights().begin(), model->store().weights().end()}, .loss = loss[0]};
  for (const Optimizer::Slot& slot : optimizer->slots())
    learnt.numbers.insert(learnt.numbers.end(), slot.values.begin(), slot.values.end());
  for (const Buffer& buffer : model->buffers())
    learnt.numbers.insert(learnt.numbers.end(), buffer.value.const_data_ptr<float>(),
                          buffer.value.const_data_ptr<float>() + buffer.value.numel());
  return learnt;
}

double mean_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return difference / static_cast<double>(a.size());
}

class Distillation : public ::testing::TestWithParam<Lesson> {};

TEST_P(Distillation, IsTheSameAtAnyWorldSize) {
  const Lesson& lesson = GetParam();
  const Learnt together = learn(world_communicator(), lesson);
  const Learnt alone = learn(*make_identity_communicator(), lesson);
  EXPECT_NEAR(together.loss, alone.loss, 1e-4 * alone.loss);
  EXPECT_LT(mean_difference(together.numbers, alone.numbers), 1e-5);
  const bool is_fused = lesson.step == StepChoice::kAuto && !lesson.on_device && lesson.teachers.size() == 2;
  if (!is_fused || world_communicator().size() == 3) return;
  EXPECT_EQ(together.numbers, alone.numbers);
  EXPECT_EQ(together.loss, alone.loss);
}

// The engines differ by rounding, and all of them from learning without teachers.
TEST_P(Distillation, IsWhatTheAutogradStepLearns) {
  Lesson by_autograd = GetParam();
  by_autograd.step = StepChoice::kAutograd;
  by_autograd.on_device = false;
  const Learnt found = learn(world_communicator(), GetParam());
  const Learnt expected = learn(world_communicator(), by_autograd);
  EXPECT_NEAR(found.loss, expected.loss, 1e-3 * expected.loss);
  EXPECT_LT(mean_difference(found.numbers, expected.numbers), 1e-4);
  const Learnt untaught = learn(world_communicator(), GetParam(), false);
  EXPECT_GT(mean_difference(untaught.numbers, expected.numbers), 5 * mean_difference(found.numbers, expected.numbers));
}

INSTANTIATE_TEST_SUITE_P(
    Lessons, Distillation,
    ::testing::Values(
        Lesson{"OwnKernels", "seed_cnn", 1}, Lesson{"OwnTableAtATemperature", "seed_cnn", 3},
        Lesson{"Stages", kSmall, 1}, Lesson{"StagesAtATemperature", kSmall, 3},
        Lesson{"StagesByATeacherOfOperators", kSmall, 3, StepChoice::kAuto, {kOperators}},
        Lesson{"Autograd", kOperators, 3, StepChoice::kAutograd},
        Lesson{"Device", kSmall, 1, StepChoice::kAuto, {kSmall, "seed_cnn"}, true},
        Lesson{"DeviceAtATemperature", kSmall, 3, StepChoice::kAuto, {kSmall, "seed_cnn", kOperators}, true},
        Lesson{"DeviceKernels", kSmall, 1, StepChoice::kAuto, {kSmall}, true, true},
        Lesson{"DeviceKernelsAtATemperature", kSmall, 3, StepChoice::kAuto, {kSmall, kPlain, kOperators}, true, true}),
    [](const auto& lesson) { return std::string(lesson.param.name); });

}  // namespace

}  // namespace fer_ddp
