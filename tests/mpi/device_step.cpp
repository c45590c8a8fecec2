#include "step/device/device_step.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "data/sampler.h"
#include "step/autograd/autograd_step.h"
#include "tests/bfloat16_sums.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"
#include "tests/mpi/world.h"

namespace fer_ddp {

namespace {

constexpr int64_t kRows = 22;  // with batches of 8: the last one is uneven, and smaller than four ranks' shares

// A dataset of one picture a row, the same on all ranks.
class Faces {
 public:
  Faces() : images_(kRows * kImagePixels), labels_(kRows) {
    for (size_t i = 0; i < images_.size(); ++i) images_[i] = static_cast<uint8_t>(i * 2654435761U >> 24);
    for (size_t i = 0; i < labels_.size(); ++i) labels_[i] = static_cast<uint8_t>(i % kExpressionCount);
  }
  [[nodiscard]] Dataset dataset() const {
    const SplitView view{.images = images_, .labels = labels_};
    PerSplit<SplitView> splits;
    splits[Split::kTrain] = view;
    splits[Split::kValidation] = {.images = view.images.first(9 * kImagePixels), .labels = view.labels.first(9)};
    return {Manifest{}, "faces", "", splits};
  }

 private:
  std::vector<uint8_t> images_;
  std::vector<uint8_t> labels_;
};

struct Outcome {
  BatchSums sums;
  EvaluationSums validation;
  std::vector<ImagePrediction> predictions;
  std::vector<float> weights;
  std::vector<std::vector<float>> slots;
  std::vector<at::Tensor> buffers;
};

enum class Kind { kAutograd, kDevice, kKernels };

// What the test of fp64 does with the tensors of each operator: LibTorch calls functions without captures alone.
std::function<void(const at::RecordFunction&, c10::ArrayRef<const c10::IValue>)> doubles_seen;

// The world's sums; notes whether autograd may run the backward that starts them on threads of its own.
class WatchedReducer final : public Reducer {
 public:
  void all_reduce(std::span<double> values, ReduceOperation operation) override {
    world_communicator().all_reduce(values, operation);
  }
  [[nodiscard]] std::unique_ptr<PendingReduction> start_sum(std::span<float> values) override {
    started_ = true;
    on_any_thread_ = on_any_thread_ || c10::AutogradState::get_tls_state().get_multithreading_enabled();
    return world_communicator().start_sum(values);
  }
  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] bool on_any_thread() const { return on_any_thread_; }

 private:
  bool started_ = false;
  bool on_any_thread_ = false;
};

struct Length {
  int64_t rows = kRows;
  int epochs = 2;
  bool evaluates = true;
};

// Over all ranks; `reload_after` steps, the step is thrown away and made anew from the host's state.
Outcome train_on(HostRuntime& runtime, Kind kind, const Config& config, int64_t reload_after = -1,
                 const Length& length = {}) {
  Communicator& world = world_communicator();
  const Faces faces;
  const Dataset dataset = faces.dataset();
  const auto model = make_model(config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto make = [&]() -> std::unique_ptr<TrainingStep> {
    if (kind == Kind::kAutograd) return std::make_unique<AutogradStep>(*model, *optimizer, world, config);
    return std::make_unique<DeviceStep>(*model, *optimizer, dataset, runtime, config, nullptr,
                                        kind == Kind::kKernels ? make_host_kernels(config.precision) : nullptr);
  };
  std::unique_ptr<TrainingStep> step = make();
  Outcome outcome;
  int64_t done = 0;
  for (int epoch = 0; epoch < length.epochs; ++epoch) {
    const std::vector<int32_t> order = epoch_order(length.rows, true, 1, epoch);
    step->begin_epoch(epoch, order);
    for (int64_t batch_index = 0; batch_index < steps_per_epoch(length.rows, config.batch_size); ++batch_index) {
      const PositionRange batch = global_batch(length.rows, config.batch_size, batch_index);
      const PositionRange mine = rank_share(batch, world.rank(), world.size());
      outcome.sums += step->run(
          {.images = dataset.split(Split::kTrain).images,
           .labels = dataset.split(Split::kTrain).labels,
           .rows = std::span(order).subspan(static_cast<size_t>(mine.begin), static_cast<size_t>(mine.size())),
           .global_images = batch.size(),
           .first_position = mine.begin,
           .batch_position = batch.begin,
           .epoch = epoch,
           .batch_rows = std::span(order).subspan(static_cast<size_t>(batch.begin), static_cast<size_t>(batch.size())),
           .recipe = image_recipe(config, epoch)},
          config.learning_rate);
      if (++done == reload_after) {
        outcome.sums += step->synchronize();
        step = make();
        step->begin_epoch(epoch, order);
      }
    }
    outcome.sums += step->synchronize();
  }
  if (length.evaluates) {
    const PositionRange mine = rank_share({0, 9}, world.rank(), world.size());
    outcome.predictions.resize(static_cast<size_t>(mine.size()));
    outcome.validation = step->evaluate_each(dataset, Split::kValidation, mine, outcome.predictions);
  }
  outcome.weights.assign(model->store().weights().begin(), model->store().weights().end());
  for (const Optimizer::Slot& slot : optimizer->slots()) outcome.slots.push_back(slot.values);
  for (const auto* buffers : {&model->buffers(), &model->averaged_buffers()})
    for (const Buffer& buffer : *buffers) outcome.buffers.push_back(buffer.value.clone());
  EXPECT_EQ(optimizer->step_count(), done);
  return outcome;
}

Outcome train(Kind kind, const Config& config, int64_t reload_after = -1, const Length& length = {}) {
  HostRuntime runtime(world_communicator());
  return train_on(runtime, kind, config, reload_after, length);
}

// The largest difference, as a share of the largest value.
float distance(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0;
  float difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i]));
    difference = std::max(difference, std::abs(a[i] - b[i]));
  }
  return difference / largest;
}

// In pictures of noise some pooling windows are nearly tied, and rounding decides: a few gradients differ.
constexpr float kSlotTolerance = 1e-2F;

void expect_same(const Outcome& expected, const Outcome& found, float tolerance) {
  EXPECT_EQ(found.sums.images, expected.sums.images);
  EXPECT_NEAR(found.sums.loss, expected.sums.loss, static_cast<double>(tolerance) * std::abs(expected.sums.loss));
  EXPECT_EQ(found.sums.correct, expected.sums.correct);
  EXPECT_LE(distance(expected.weights, found.weights), tolerance);
  ASSERT_EQ(found.slots.size(), expected.slots.size());
  for (size_t i = 0; i < found.slots.size(); ++i)
    EXPECT_LE(distance(expected.slots[i], found.slots[i]), kSlotTolerance);
  for (size_t i = 0; i < found.buffers.size(); ++i)
    EXPECT_TRUE(at::allclose(expected.buffers[i], found.buffers[i], 1e-3, 1e-4)) << i;
  EXPECT_NEAR(found.validation.loss, expected.validation.loss, 10.0 * static_cast<double>(tolerance));
  EXPECT_EQ(found.validation.confusion, expected.validation.confusion);
  ASSERT_EQ(found.predictions.size(), expected.predictions.size());
  for (size_t i = 0; i < found.predictions.size(); ++i) {
    EXPECT_EQ(found.predictions[i].label, expected.predictions[i].label);
    EXPECT_EQ(found.predictions[i].called, expected.predictions[i].called);
    EXPECT_NEAR(found.predictions[i].probability, expected.predictions[i].probability, 1e-3);
    EXPECT_NEAR(found.predictions[i].label_probability, expected.predictions[i].label_probability, 1e-3);
  }
}

struct Rule {
  const char* name;
  Config config;
};

Rule augmented() {
  Rule rule{"Augmented", {.learning_rate = 1e-5, .batch_size = 8}};
  rule.config.epochs = 2;
  rule.config.label_smoothing = 0.1;
  rule.config.augment = AugmentPreset::kFull;
  rule.config.augment_mixup = 1;
  rule.config.augment_cutmix = 1;
  rule.config.finish_epochs = 1;
  return rule;
}

std::vector<Rule> rules() {
  const Config plain{.learning_rate = 1e-5, .batch_size = 8};
  std::vector<Rule> all(11, {"Adam", plain});
  all[1].name = "AdamW";
  all[1].config.optimizer = OptimizerRule::kAdamW;
  all[1].config.weight_decay = 0.1;
  all[2].name = "Sgd";
  all[2].config.optimizer = OptimizerRule::kSgd;
  all[2].config.momentum = 0.5;
  all[3].name = "LabelSmoothingWithoutDropout";
  all[3].config.dropout = 0.0;
  all[3].config.label_smoothing = 0.1;
  all[4].name = "LocalBatchNorm";
  all[4].config.batch_norm = BatchNormScope::kLocal;
  all[5].name = "AnotherNetwork";
  all[5].config.model = "vgg8_16";
  all[6].name = "SgdByNesterovWithDecay";
  all[6].config.optimizer = OptimizerRule::kSgd;
  all[6].config.momentum = 0.5;
  all[6].config.nesterov = true;
  all[6].config.weight_decay = 0.1;
  all[6].config.decay_biases = false;
  all[7].name = "ClippedAdamWWithoutBiases";
  all[7].config.optimizer = OptimizerRule::kAdamW;
  all[7].config.decay_biases = false;
  all[7].config.gradient_clip_norm = 0.1;
  all[8].name = "Averaged";
  all[8].config.average_weights = 0.3;
  all[9].name = "Muon";
  all[9].config.model = "vgg8_16";
  all[9].config.optimizer = OptimizerRule::kMuon;
  all[9].config.learning_rate = 1e-4;
  all[9].config.other_learning_rate = 1e-5;
  all[9].config.momentum = 0.6;
  all[9].config.weight_decay = 0.1;
  all[10] = augmented();
  return all;
}

class DeviceStepRules : public ::testing::TestWithParam<Rule> {};

TEST_P(DeviceStepRules, TrainAsTheCpusStepDoes) {
  const Config& config = GetParam().config;
  expect_same(train(Kind::kAutograd, config), train(Kind::kDevice, config), 1e-3F);
}

INSTANTIATE_TEST_SUITE_P(All, DeviceStepRules, ::testing::ValuesIn(rules()),
                         [](const auto& rule) { return std::string(rule.param.name); });

// The study's network by the kernels' sources on the host, which take their time: eight images, then three, of which
// the last of four ranks has none. Small networks are another test's (random_networks.cpp).
TEST(DeviceKernels, TrainTheStudysNetworkAsTheCpusStepDoes) {
  const Config config{.learning_rate = 1e-5, .batch_size = 8};
  const Length length{.rows = 11, .epochs = 1, .evaluates = false};
  expect_same(train(Kind::kAutograd, config, -1, length), train(Kind::kKernels, config, -1, length), 1e-3F);
}

// By the kernel that makes them: each rank's share with its first image's partner, which is another rank's.
TEST(DeviceKernels, TrainOnChangedImagesAsTheCpusStepDoes) {
  const Config config = augmented().config;
  const ImageRecipe recipe = image_recipe(config, 0);
  EXPECT_TRUE(draw_batch_mixing(recipe.augmentation, recipe.seed, 0, 0).is_on());
  const Length length{.rows = 11, .epochs = 1, .evaluates = false};
  expect_same(train(Kind::kAutograd, config, -1, length), train(Kind::kKernels, config, -1, length), 1e-3F);
}

// The same on all ranks, and as near to sums of floats as eight bits are. Statistics are a rank's own here, so that no
// others than gradients are summed.
TEST(DeviceStep, SumsGradientsAsBfloat16WhereThatIsAskedFor) {
  const Length length{.rows = 11, .epochs = 1, .evaluates = false};
  Config config{.learning_rate = 1e-6,
                .batch_size = 8,
                .optimizer = OptimizerRule::kSgd,
                .batch_norm = BatchNormScope::kLocal,
                .momentum = 0.5};
  for (const Kind kind : {Kind::kDevice, Kind::kKernels}) {
    config.gradient_all_reduce = GradientAllReduce::kFp32;
    const Outcome whole = train(kind, config, -1, length);
    config.gradient_all_reduce = GradientAllReduce::kBf16;
    Bfloat16Sums reducer(world_communicator());
    HostRuntime runtime(reducer);
    const Outcome rounded = train_on(runtime, kind, config, -1, length);
    EXPECT_EQ(reducer.sums_of_floats(), 0);
    const float difference = distance(whole.slots.at(0), rounded.slots.at(0));
    EXPECT_GT(difference, 1e-5F);
    EXPECT_LT(difference, 1e-2F);
    const auto bytes = std::as_bytes(std::span(rounded.weights));
    const std::string mine(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const std::string& other : world_communicator().all_gather(mine)) EXPECT_TRUE(other == mine);
  }
}

TEST(DeviceStep, GoesOnFromTheHostsStateAsIfNothingHadHappened) {
  const Config config{.learning_rate = 1e-4, .batch_size = 8, .average_weights = 0.9};
  const Outcome whole = train(Kind::kDevice, config);
  const Outcome resumed = train(Kind::kDevice, config, 4);
  EXPECT_EQ(resumed.weights, whole.weights);
  EXPECT_EQ(resumed.slots, whole.slots);
  EXPECT_EQ(resumed.sums.loss, whole.sums.loss);
}

// Whether a sum is recorded is decided by all ranks alike, though their shares of the last batch differ.
TEST(DeviceStep, RepeatsWorkUnderTheSameKeysOnAllRanks) {
  HostRuntime runtime(world_communicator());
  (void)train_on(runtime, Kind::kDevice, {.batch_size = 8});
  EXPECT_EQ(runtime.keys(), (std::vector<int64_t>{8, 8, 6, 8, 8, 6, -1})) << "and the evaluation at the end";
}

// On most GPUs fp64 has a sixty-fourth of fp32's speed. Numbers of the program itself come to operators as fp64 tensors
// that know it, and are none of the device's.
TEST(DeviceStep, ComputesNothingInFp64) {
  std::set<std::string> found;
  const auto look = [&found](const at::RecordFunction& function, c10::ArrayRef<const c10::IValue> values) {
    for (const c10::IValue& value : values) {
      if (!value.isTensor()) continue;
      const at::Tensor& tensor = value.toTensor();
      if (tensor.defined() && tensor.scalar_type() == at::kDouble && !tensor.unsafeGetTensorImpl()->is_wrapped_number())
        found.insert(function.name());
    }
  };
  doubles_seen = look;
  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(
          [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
            doubles_seen(function, function.inputs());
            return nullptr;
          },
          [](const at::RecordFunction& function, at::ObserverContext*) {
            const std::vector<c10::IValue> outputs = function.outputs();
            doubles_seen(function, c10::ArrayRef<const c10::IValue>(outputs.data(), outputs.size()));
          })
          .needsInputs(true)
          .needsOutputs(true));
  HostRuntime runtime(world_communicator());
  (void)train_on(runtime, Kind::kDevice,
                 {.batch_size = 8,
                  .optimizer = OptimizerRule::kMuon,
                  .model = "vgg8_16",
                  .gradient_clip_norm = 1.0,
                  .average_weights = 0.9},
                 -1, {.evaluates = false});
  (void)train_on(runtime, Kind::kDevice, augmented().config, -1, {.evaluates = false});
  at::removeCallback(handle);
  EXPECT_THAT(found, ::testing::IsEmpty());
}

// On a GPU the sums ask MPI for news of other ranks, and MPI is the main thread's.
TEST(DeviceStep, StartsGradientSumsOnItsOwnThread) {
  WatchedReducer reducer;
  HostRuntime runtime(reducer);
  // No statistics to sum in forward, which runs on that thread anyhow.
  (void)train_on(runtime, Kind::kDevice, {.batch_size = 8, .batch_norm = BatchNormScope::kLocal});
  EXPECT_TRUE(reducer.started());
  EXPECT_FALSE(reducer.on_any_thread());
}

}  // namespace

}  // namespace fer_ddp
