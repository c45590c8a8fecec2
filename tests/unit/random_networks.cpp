// Every engine that runs any table, over networks drawn at random: loss, gradients, running statistics and update
// against fp64 autograd that takes the engine's own decisions (tests/random_network_step.h); a device's kernels have a
// file of their own.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "comm/identity_communicator.h"
#include "kernels/mapped_values.h"
#include "kernels/matrix_tiles.h"
#include "step/autograd/autograd_step.h"
#include "step/device/device_step.h"
#include "step/fused/stages/staged_step.h"
#include "step/input_images.h"
#include "step/teachers.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"
#include "tests/random_network.h"
#include "tests/random_network_step.h"
#include "tests/reference_network.h"

namespace fer_ddp {

namespace {

// The values of an engine that is made of LibTorch's operators.
ReferenceNetwork::EngineValue values_of(const Model& start, const Config& config, const Faces& faces,
                                        bool tensor_operators) {
  return [&start, &config, &faces, tensor_operators](const Layer& layer) {
    ForwardContext context{.training = true, .sum_statistics = [](auto) {}};
    context.tensor_operators = tensor_operators;
    return value_at(layer.place, start, config, input_of(start.network(), faces), context);
  };
}

// Those of the stages' newest step, behind the layers whose values a stage has.
ReferenceNetwork::EngineValue values_of(const StagedStep& step, const Faces& faces) {
  return [&step, &faces](const Layer& layer) {
    const auto is_layer = [&layer](const Layer* other) { return other != nullptr && other->place == layer.place; };
    for (size_t i = 0; i < step.plan().stages.size(); ++i) {
      const StageSpec& spec = step.plan().stages[i];
      const bool is_whole = is_layer(spec.pool) || (spec.kind != StageSpec::Kind::kConvolution && is_layer(spec.layer));
      if (!is_whole && !is_layer(spec.relu)) continue;
      const Stage& stage = step.network().stage(i);
      const FeatureShape& shape = layer.output;
      const auto images = static_cast<int64_t>(faces.rows.size());
      at::Tensor values = at::empty({images, shape.height, shape.width, shape.channels});
      for (int image = 0; image < images; ++image)
        apply_map(is_whole ? stage.activation().seen(image) : stage.before_pool(image), shape.height * shape.width,
                  static_cast<int>(shape.channels), values.data_ptr<float>() + image * shape.size());
      return values.permute({0, 3, 1, 2});
    }
    return at::Tensor();
  };
}

TEST(RandomNetworks, AutogradComputesWhatFp64Does) {
  for_each_network(Drawn::kAny, [](const Network& network, const Config& config, const Faces& faces) {
    const auto start = make_model(network, config);
    const auto model = make_model(network, config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    const auto teachers = teachers_of(config);
    const auto step =
        taught(std::make_unique<AutogradStep>(*model, *optimizer, *communicator, config), teachers.get(), config);
    expect_as_reference(step_once(*step, *model, *optimizer, faces), *start, config, faces,
                        values_of(*start, config, faces, false));
  });
}

TEST(RandomNetworks, TheDeviceStepComputesWhatFp64Does) {
  for_each_network(Drawn::kAny, [](const Network& network, const Config& config, const Faces& faces) {
    const auto start = make_model(network, config);
    const auto model = make_model(network, config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    HostRuntime runtime(*communicator);
    const Dataset dataset = dataset_of(faces);
    const auto teachers = teachers_of(config);
    DeviceStep step(*model, *optimizer, dataset, runtime, config, teachers.get());
    expect_as_reference(step_once(step, *model, *optimizer, faces), *start, config, faces,
                        values_of(*start, config, faces, true));
  });
}

// Winograd's transforms round a little more than products do.
void expect_stages_as_reference(const Network& network, const Config& config, const Faces& faces) {
  ASSERT_EQ(plan_stages(network).refusal, "");
  const auto start = make_model(network, config);
  const auto model = make_model(network, config);
  const auto optimizer = make_optimizer(config, model->store().layout());
  const auto communicator = make_identity_communicator();
  const auto teachers = teachers_of(config);
  auto stages = std::make_unique<StagedStep>(*model, *optimizer, *communicator, config);
  const StagedStep& seen = *stages;
  const auto step = taught(std::move(stages), teachers.get(), config);
  const Stepped stepped = step_once(*step, *model, *optimizer, faces);
  expect_as_reference(stepped, *start, config, faces, values_of(seen, faces));
}

TEST(RandomNetworks, TheFusedStagesComputeWhatFp64Does) {
  for_each_network(Drawn::kStaged, expect_stages_as_reference);
}

// The body's gradient and that of what it reads are the residual's own, in pictures of many blocks.
TEST(FusedStages, AResidualsBodyMayBeOneConvolution) {
  for (const char* body : {R"({"convolution":64,"kernel":1})", R"({"convolution":64,"kernel":3,"padding":1})"})
    for (const char* pool : {"", R"({"max_pool":2},)"}) {
      const std::string residual = fmt::format(R"({{"residual":[{}]}},{{"relu":{{}}}},)", body);
      const Network network = parse_network(
          fmt::format(R"({{"input":"unit","layers":[{{"convolution":64,"kernel":3,"padding":1}},{{"relu":{{}}}},)"
                      R"({}{}{}{{"global_average_pool":{{}}}},{{"dense":7}}]}})",
                      pool, residual, residual),
          "residuals");
      SCOPED_TRACE(network_to_json(network).dump());
      expect_stages_as_reference(network, config_of(1), Faces::patches(3));
    }
}

// Rounding changes decisions of ReLU and pools, and a BatchNorm of a channel that hardly varies magnifies it: held to
// fp32's, as a whole. The kernels have exact tests of their own.
TEST(RandomNetworks, StagesWithBf16OperandsComputeNearlyWhatFp32Does) {
  const int one_in = std::max(1, networks() / 8);  // so many tell enough
  use_plain_tiles(true);
  std::vector<double> distances;
  for_each_network(Drawn::kStaged, [&](const Network& network, Config config, const Faces& faces) {
    if (config.random_seed % one_in != 0) return;
    const auto step_at = [&](Precision precision) {
      config.precision = precision;
      const auto model = make_model(network, config);
      const auto optimizer = make_optimizer(config, model->store().layout());
      const auto communicator = make_identity_communicator();
      const auto teachers = teachers_of(config);
      const auto step =
          taught(std::make_unique<StagedStep>(*model, *optimizer, *communicator, config), teachers.get(), config);
      Stepped stepped = step_once(*step, *model, *optimizer, faces);
      std::vector<at::Tensor> gradients;
      for (const auto& [name, gradient] : stepped.gradients) gradients.push_back(gradient.flatten().clone());
      return std::pair(stepped.loss, at::cat(gradients));
    };
    const auto [loss, gradient] = step_at(Precision::kFp32);
    const auto [bf16_loss, bf16_gradient] = step_at(Precision::kBf16);
    EXPECT_NEAR(bf16_loss, loss, 0.03 * loss);
    distances.push_back((bf16_gradient - gradient).norm().item<double>() / gradient.norm().item<double>());
    EXPECT_LT(distances.back(), 0.5) << network_to_json(network).dump();
  });
  use_plain_tiles(false);
  std::sort(distances.begin(), distances.end());
  EXPECT_GT(distances.back(), 0) << "none of the networks has a layer that tiles take";
  EXPECT_LT(distances[distances.size() / 2], 0.1);
}

// Also where a bias that a BatchNorm takes away again decays.
TEST(FusedStages, GoOnToTheBitFromWhatTheModelHolds) {
  const Network network = parse_network(
      R"({"layers": [{"convolution": 16, "bias": true}, {"batch_norm": {}}, {"relu": {}}, {"global_average_pool": {}},
                     {"dense": 7}]})",
      "table");
  const Config config{
      .batch_size = 16, .optimizer = OptimizerRule::kAdamW, .init = "uniform_fan_in", .weight_decay = 0.5};
  const Faces faces = Faces::patches(16);
  const auto weights_after = [&](int steps_before_reload) {
    const auto model = make_model(network, config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    StagedStep step(*model, *optimizer, *communicator, config);
    for (int i = 0; i < 4; ++i) {
      step.run(faces.batch(), 0.1);
      step.synchronize();
      if (i == steps_before_reload) step.reload();
    }
    return std::vector<float>(model->store().weights().begin(), model->store().weights().end());
  };
  const std::vector<float> whole = weights_after(-1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(weights_after(i), whole) << i;
}

// The last batch of an epoch may have fewer images than the parts that a batch is cut into: nothing of the batch before
// is in its gradient.
TEST(FusedStages, AShortBatchHasAGradientOfItsOwn) {
  const Network network = parse_network(
      R"({"layers": [{"convolution": 16, "padding": 1}, {"batch_norm": {}}, {"relu": {}}, {"max_pool": 2},
                     {"convolution": 32, "stride": 2, "padding": 1}, {"batch_norm": {}}, {"relu": {}},
                     {"convolution": 16, "kernel": 1}, {"batch_norm": {}}, {"relu": {}},
                     {"convolution": 16, "padding": 1}, {"batch_norm": {}}, {"relu": {}},
                     {"global_average_pool": {}}, {"dense": 7}]})",
      "table");
  const Config config{.batch_size = 16, .optimizer = OptimizerRule::kSgd, .init = "uniform_fan_in"};
  const Faces whole = Faces::patches(16);
  const Faces few = Faces::patches(3);
  const auto weights_after = [&](bool has_one_before) {
    const auto model = make_model(network, config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    StagedStep step(*model, *optimizer, *communicator, config);
    if (has_one_before) step.run(whole.batch(), 0.0);
    step.run(few.batch(), 0.1);
    step.synchronize();
    return model->store().flat_weights().to(at::kDouble);
  };
  // Not to the bit: BatchNorm's sums are taken about the mean of the batch before.
  EXPECT_LT(largest(weights_after(true) - weights_after(false)), 1e-5);
}

// Evaluation by each engine: BatchNorm by its running statistics, no dropout.
TEST(RandomNetworks, EveryEngineEvaluatesAlike) {
  for_each_network(Drawn::kAny, [](const Network& network, const Config& config, const Faces& faces) {
    const auto model = make_model(network, config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    HostRuntime runtime(*communicator);
    const Dataset dataset = dataset_of(faces);
    AutogradStep autograd(*model, *optimizer, *communicator, config);
    DeviceStep device(*model, *optimizer, dataset, runtime, config);
    const PositionRange rows{0, static_cast<int64_t>(faces.rows.size())};
    const EvaluationSums expected = autograd.evaluate(dataset, Split::kTrain, rows);
    EXPECT_NEAR(device.evaluate(dataset, Split::kTrain, rows).loss, expected.loss, 1e-4 * expected.loss);
  });
}

}  // namespace

}  // namespace fer_ddp
