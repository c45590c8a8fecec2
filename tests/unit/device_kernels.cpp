// The device step by this project's own kernels, their sources on the host, against the same step by LibTorch's
// operators: update rules, recipes and dropout on a small network in fp32.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "network/table.h"
#include "tests/device_training.h"

namespace fer_ddp {

namespace {

struct Rule {
  const char* name;
  Config config;
};

std::vector<Rule> rules() {
  const Config plain{.learning_rate = 1e-3, .batch_size = 6, .init = "uniform_fan_in"};
  std::vector<Rule> all(7, {"Adam", plain});
  all[1].name = "AveragedAdamWWithoutBiases";
  all[1].config.optimizer = OptimizerRule::kAdamW;
  all[1].config.weight_decay = 0.1;
  all[1].config.decay_biases = false;
  all[1].config.average_weights = 0.9;
  all[2].name = "ClippedAdamW";
  all[2].config.optimizer = OptimizerRule::kAdamW;
  all[2].config.gradient_clip_norm = 0.1;
  all[3].name = "AveragedSgdByNesterovWithDecay";
  all[3].config.optimizer = OptimizerRule::kSgd;
  all[3].config.momentum = 0.5;
  all[3].config.nesterov = true;
  all[3].config.weight_decay = 0.1;
  all[3].config.average_weights = 0.9;
  all[4].name = "Muon";
  all[4].config.optimizer = OptimizerRule::kMuon;
  all[4].config.other_learning_rate = 1e-4;
  all[4].config.momentum = 0.6;
  all[5].name = "LabelSmoothing";
  all[5].config.label_smoothing = 0.1;
  all[6].name = "ChangedImages";
  all[6].config.label_smoothing = 0.1;
  all[6].config.augment = AugmentPreset::kFull;
  all[6].config.augment_mixup = 1;
  all[6].config.augment_cutmix = 1;
  return all;
}

class DeviceKernelRules : public ::testing::TestWithParam<Rule> {};

// Adam divides a gradient by its own size, so that a rounded small one moves its weight by as much as a large one.
TEST_P(DeviceKernelRules, TrainAsLibTorchsOperatorsDo) {
  const Network network = parse_network(kTable, "table");
  const Faces faces = Faces::patches(12);
  const Trained expected = train(By::kOperators, network, GetParam().config, faces, 2);
  const Trained found = train(By::kKernels, network, GetParam().config, faces, 2);
  for (size_t i = 0; i < expected.losses.size(); ++i)
    EXPECT_NEAR(found.losses[i], expected.losses[i], 1e-5 * expected.losses[i]) << i;
  EXPECT_LT(distance(found.weights, expected.weights), 1e-4);
  ASSERT_EQ(found.slots.size(), expected.slots.size());
  for (size_t i = 0; i < found.slots.size(); ++i) EXPECT_LT(distance(found.slots[i], expected.slots[i]), 1e-3) << i;
  EXPECT_TRUE(at::allclose(found.buffers, expected.buffers, 1e-3, 1e-4));
}

INSTANTIATE_TEST_SUITE_P(All, DeviceKernelRules, ::testing::ValuesIn(rules()),
                         [](const auto& rule) { return std::string(rule.param.name); });

// The loss is against one teacher alone; both are of a clear opinion.
TEST(DeviceKernels, LearnInBf16FromWhatTeachersSayInBf16) {
  const Network network = parse_network(kTable, "table");
  const Faces faces = Faces::patches(8);
  Config config{.batch_size = 8, .optimizer = OptimizerRule::kSgd, .dropout = 0, .init = "uniform_fan_in"};
  config.distill_weight = 1;
  const auto make_clear = [](Model& model) {
    for (const Parameter& parameter : model.store().parameters())
      if (parameter.value.dim() == 2) at::Tensor(parameter.value).mul_(4);
  };
  const auto taught_loss = [&](Precision precision, bool is_asked) {
    config.precision = precision;
    Config of_teacher = config;
    of_teacher.random_seed = 5;
    std::vector<std::unique_ptr<Model>> models;
    models.push_back(make_model(network, of_teacher));
    const at::NoGradGuard no_grad;
    make_clear(*models.back());
    const Teachers teachers(std::move(models));
    return train(By::kKernels, network, config, faces, 1,
                 {.prepare = make_clear, .teachers = is_asked ? &teachers : nullptr})
        .losses.at(0);
  };
  const double exact = taught_loss(Precision::kFp32, true);
  EXPECT_NEAR(taught_loss(Precision::kBf16, true), exact, 0.05 * exact);
  EXPECT_GT(std::abs(taught_loss(Precision::kBf16, false) - exact), 0.1 * exact);
}

// Kept units of so many values that an epoch's come in two parts; the second step reads the second.
TEST(DeviceKernels, DropAsLibTorchsOperatorsDoInEveryPartOfAnEpoch) {
  const Network network = parse_network(
      R"({"layers": [{"convolution": 16, "padding": 1}, {"relu": {}}, {"flatten": {}}, {"dropout": 0.5},
                     {"dense": 7}]})",
      "table");
  constexpr int kImages = 1900;
  const Faces faces = Faces::noise(kImages);
  const Config config{.learning_rate = 1e-3,
                      .batch_size = 3,
                      .optimizer = OptimizerRule::kSgd,
                      .init = "uniform_fan_in",
                      .momentum = 0.5};
  const auto weights_after = [&](By by) {
    const auto model = make_model(network, config);
    EXPECT_LT(int64_t{1} << 26, kImages * model->dropped_units());
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    HostRuntime runtime(*communicator);
    const Dataset dataset = dataset_of(faces);
    DeviceStep step(*model, *optimizer, dataset, runtime, config, nullptr,
                    by == By::kKernels ? make_host_kernels(config.precision) : nullptr);
    step.begin_epoch(0, faces.rows);
    for (const int64_t first : {5, kImages - 4})
      step.run({.images = faces.images,
                .labels = faces.labels,
                .rows = std::span(faces.rows).subspan(static_cast<size_t>(first), 3),
                .global_images = 3,
                .first_position = first},
               config.learning_rate);
    step.synchronize();
    return optimizer->slots().at(0).values;
  };
  EXPECT_LT(distance(weights_after(By::kKernels), weights_after(By::kOperators)), 1e-4);
}

// More images than the kernels take at once, and views of them.
TEST(DeviceKernels, EvaluateAsLibTorchsOperatorsDo) {
  const Config config{.batch_size = 4, .init = "uniform_fan_in", .label_smoothing = 0.1};
  const auto model = make_model(parse_network(kTable, "table"), config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  HostRuntime runtime(*communicator);
  const Faces faces = Faces::patches(140);
  const Dataset dataset = dataset_of(faces, Split::kTest);
  DeviceStep operators(*model, *optimizer, dataset, runtime, config);
  DeviceStep kernels(*model, *optimizer, dataset, runtime, config, nullptr, make_host_kernels(config.precision));
  constexpr PositionRange kAll{3, 140};
  std::vector<ImagePrediction> expected_each(137);
  std::vector<ImagePrediction> found_each(137);
  const EvaluationSums expected = operators.evaluate_each(dataset, Split::kTest, kAll, expected_each);
  const EvaluationSums found = kernels.evaluate_each(dataset, Split::kTest, kAll, found_each);
  EXPECT_EQ(found.confusion, expected.confusion);
  EXPECT_NEAR(found.loss, expected.loss, 1e-5 * expected.loss);
  for (size_t i = 0; i < found_each.size(); ++i) {
    EXPECT_EQ(found_each[i].called, expected_each[i].called) << i;
    EXPECT_NEAR(found_each[i].label_probability, expected_each[i].label_probability, 1e-5) << i;
  }
  constexpr PositionRange kFew{5, 9};
  for (const ImageView& view : image_views(TestViews::kFlip)) {
    const std::vector<float> wanted = operators.probabilities(dataset, Split::kTest, kFew, view);
    EXPECT_LT(distance(kernels.probabilities(dataset, Split::kTest, kFew, view), wanted), 1e-5);
  }
}

// ---- The update alone ----

// Filters of one shape twice, and those that are a tall matrix.
constexpr const char* kUpdated =
    R"({"layers": [{"convolution": 16}, {"convolution": 16}, {"batch_norm": {}}, {"convolution": 16},
                   {"convolution": 64, "kernel": 1}, {"global_average_pool": {}}, {"dense": 7}]})";

std::vector<Rule> update_rules() {
  Config all_options{.weight_decay = 0.1, .decay_biases = false, .gradient_clip_norm = 0.5, .average_weights = 0.9};
  std::vector<Rule> rules;
  const auto add = [&rules](const char* name, Config config, OptimizerRule rule, double momentum, bool nesterov) {
    config.optimizer = rule;
    config.momentum = momentum;
    config.nesterov = nesterov;
    rules.push_back({name, config});
  };
  add("Adam", {}, OptimizerRule::kAdam, 0, false);
  add("AdamWWithAll", all_options, OptimizerRule::kAdamW, 0, false);
  add("Sgd", {}, OptimizerRule::kSgd, 0, false);
  add("SgdWithMomentum", {.gradient_clip_norm = 0.5}, OptimizerRule::kSgd, 0.5, false);
  add("SgdByNesterovWithAll", all_options, OptimizerRule::kSgd, 0.5, true);
  add("Muon", {.learning_rate = 0.01, .other_learning_rate = 0.003}, OptimizerRule::kMuon, 0.6, false);
  all_options.learning_rate = 0.01;
  all_options.other_learning_rate = 0.003;
  all_options.other_weight_decay = 0.2;
  add("MuonWithAll", all_options, OptimizerRule::kMuon, 0.6, false);
  return rules;
}

class DeviceKernelUpdates : public ::testing::TestWithParam<Rule> {};

TEST_P(DeviceKernelUpdates, AreThoseOfLibTorchsOperators) {
  const Config& config = GetParam().config;
  const auto model = make_model(parse_network(kUpdated, "table"), config);
  const ParameterLayout layout = model->store().layout();
  const auto kernels = make_host_kernels(Precision::kBf16);
  const at::Tensor start = model->store().flat_weights().detach().clone();
  at::Tensor values = start.to(at::kBFloat16);
  const auto updated = [&](const DeviceWeights& device_weights) {
    StepNumbers numbers(at::kCPU);
    const auto optimizer = make_device_optimizer(config, layout, at::kCPU, numbers, device_weights);
    EXPECT_EQ(optimizer->renews_values(), device_weights.kernels != nullptr);
    at::Tensor weights = start.clone();
    optimizer->begin_average(weights);
    RandomStream random(1, RandomPurpose::kSyntheticFaces, 0);
    for (int step = 1; step <= 3; ++step) {
      const at::Tensor gradient = at::zeros_like(weights);  // as what stands between parameters is
      for (const ParameterPlace& place : layout.places)
        for (size_t i = place.range.begin; i < place.range.end; ++i)
          gradient.data_ptr<float>()[i] = random.next_uniform() - 0.5F;
      optimizer->begin_step(0.01 / step, step);
      numbers.upload();
      optimizer->update(weights, gradient);
    }
    std::vector<at::Tensor> state = optimizer->slots();
    state.push_back(weights);
    return state;
  };
  const std::vector<at::Tensor> expected = updated({});
  const std::vector<at::Tensor> found = updated({kernels.get(), values.data_ptr()});
  ASSERT_EQ(found.size(), expected.size());  // the rule's own, the average, the weights
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-6, 1e-8)) << i;
  EXPECT_TRUE(values.equal(found.back().to(at::kBFloat16)));
}

INSTANTIATE_TEST_SUITE_P(All, DeviceKernelUpdates, ::testing::ValuesIn(update_rules()),
                         [](const auto& rule) { return std::string(rule.param.name); });

}  // namespace

}  // namespace fer_ddp
