// Every engine that runs any table, over networks drawn at random: loss, gradients, running statistics and update
// against fp64 autograd that takes the engine's own decisions. FER_DDP_RANDOM_NETWORKS sets how many are drawn, 40 by
// default, 10 under sanitizers. Half of them learn from two teachers, drawn as well, at temperature 1 or another.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>

#include "comm/identity_communicator.h"
#include "kernels/mapped_values.h"
#include "step/autograd/autograd_step.h"
#include "step/device/device_step.h"
#include "step/device/kernel_engine.h"
#include "step/fused/stages/staged_step.h"
#include "step/input_images.h"
#include "step/teachers.h"
#include "tests/faces.h"
#include "tests/host_kernels.h"
#include "tests/host_runtime.h"
#include "tests/random_network.h"
#include "tests/reference_network.h"

namespace fer_ddp {

namespace {

constexpr double kLearningRate = 0.5;

int networks() {
  const char* asked = std::getenv("FER_DDP_RANDOM_NETWORKS");
  return asked == nullptr ? FER_DDP_DEFAULT_NETWORKS : std::atoi(asked);
}

Config config_of(uint64_t number) {
  Config config{.batch_size = 64,
                .optimizer = OptimizerRule::kSgd,
                .init = "uniform_fan_in",
                .label_smoothing = number % 3 == 0 ? 0.1 : 0.0,
                .momentum = 0.5,  // so that the slots hold the gradients
                .random_seed = static_cast<int64_t>(number)};
  if (number % 2 == 1) {
    config.distill_from = {"one that has stages", "one that has none"};
    config.distill_weight = 0.3;
    config.distill_temperature = number % 4 == 1 ? 1 : 2.5;
  }
  return config;
}

// Null where the configuration asks for none.
std::unique_ptr<Teachers> teachers_of(const Config& config) {
  if (config.distill_from.empty()) return nullptr;
  const auto number = static_cast<uint64_t>(config.random_seed);
  std::vector<std::unique_ptr<Model>> models;
  Network staged = RandomNetwork(1000 + number).draw_staged();
  for (uint64_t next = 1100; !plan_stages(staged).refusal.empty(); next += 100)
    staged = RandomNetwork(next + number).draw_staged();
  for (const Network& network : {staged, RandomNetwork(2000 + number).draw()}) {
    models.push_back(make_model(network, config));
    const at::NoGradGuard no_grad;
    // So that they are of a clear opinion.
    for (const Parameter& parameter : models.back()->store().parameters())
      if (parameter.name == network.layers.back().name + ".weight") at::Tensor(parameter.value).mul_(20);
  }
  EXPECT_NE(plan_stages(models[1]->network()).refusal, "");
  return std::make_unique<Teachers>(std::move(models));
}

std::unique_ptr<TrainingStep> taught(std::unique_ptr<TrainingStep> step, Teachers* teachers, const Config& config) {
  return teachers == nullptr ? std::move(step) : make_distilling_step(std::move(step), *teachers, config);
}

struct Stepped {
  double loss = 0;
  int64_t correct = 0;
  std::map<std::string, at::Tensor> gradients{};
  StoredTensors weights;  // after the step
};

// One step over all the faces. SGD's slot after its first step is -rate * gradient.
Stepped step_once(TrainingStep& step, Model& model, Optimizer& optimizer, const Faces& faces) {
  step.begin_epoch(0, faces.rows);
  BatchSums sums = step.run(faces.batch(), kLearningRate);
  sums += step.synchronize();
  Stepped stepped{.loss = sums.loss, .correct = sums.correct, .weights = copy_weights(model)};
  std::vector<float>& slot = optimizer.slots().at(0).values;
  for (const Parameter& parameter : model.store().parameters())
    stepped.gradients[parameter.name] =
        at::from_blob(slot.data() + parameter.offset, parameter.value.sizes(), parameter.value.strides(), at::kFloat)
            .to(at::kDouble) /
        -kLearningRate;
  return stepped;
}

double largest(const at::Tensor& values) { return values.abs().max().item<double>(); }

at::Tensor input_of(const Network& network, const Faces& faces) {
  return input_images(network.input, static_cast<int64_t>(faces.rows.size()),
                      [&](int64_t i) { return faces.images.data() + i * kImagePixels; });
}

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

// What a ReLU saw before a pool whose winners alone are kept: the first convolution, the winners as they were, and no
// other value of a window larger.
at::Tensor values_by_winners(const KernelStage& stage, const StageSpec& spec, const Model& start, const Faces& faces) {
  const auto& options = std::get<layer::Convolution>(spec.layer->kind);
  at::Tensor values =
      at::conv2d(input_of(start.network(), faces), start.store()[spec.layer->name + ".weight"].detach(),
                 options.bias ? start.store()[spec.layer->name + ".bias"].detach() : at::Tensor(), 1, options.padding)
          .relu()
          .contiguous();
  const FeatureShape& pooled = stage.left().shape;
  const auto* most = static_cast<const float*>(stage.left().values);
  const uint8_t* winner = stage.winners();
  auto seen = values.accessor<float, 4>();
  for (int64_t n = 0; n < values.size(0); ++n)
    for (int64_t y = 0; y < pooled.height; ++y)
      for (int64_t x = 0; x < pooled.width; ++x)
        for (int64_t c = 0; c < pooled.channels; ++c, ++most, ++winner)
          for (int i = 0; i < 4; ++i) {
            float& value = seen[n][c][2 * y + i / 2][2 * x + i % 2];
            value = i == *winner ? *most : std::min(value, std::nextafter(*most, -1.0F));
          }
  return values;
}

// What the host kernels' ReLU saw: z through its map, by the parameters of before the step.
at::Tensor mapped_values(const KernelValues& seen, const StageSpec& spec, const Model& start, int64_t images) {
  const FeatureShape& shape = seen.shape;
  const auto by_channel = [&shape](const float* numbers) {
    return at::from_blob(const_cast<float*>(numbers), {shape.channels}, at::kFloat);
  };
  const auto parameter = [&start](const std::string& name, double otherwise) {
    for (const Parameter& each : start.store().parameters())
      if (each.name == name) return each.value.detach();
    return at::full({}, otherwise);
  };
  at::Tensor values = at::from_blob(seen.values, {images, shape.height, shape.width, shape.channels}, at::kFloat);
  if (spec.batch_norm == nullptr) {
    values = values + parameter(spec.layer->name + ".bias", 0);
  } else {
    const at::Tensor scale = by_channel(seen.map.inverse_deviation) * parameter(spec.batch_norm->name + ".weight", 1);
    values = (values - by_channel(seen.map.mean)) * scale + parameter(spec.batch_norm->name + ".bias", 0);
  }
  return values.relu().permute({0, 3, 1, 2});
}

ReferenceNetwork::EngineValue values_of(const KernelEngine& engine, const Model& start, const Faces& faces) {
  return [&engine, &start, &faces](const Layer& layer) {
    const auto is_layer = [&layer](const Layer* other) { return other != nullptr && other->place == layer.place; };
    const auto images = static_cast<int64_t>(faces.rows.size());
    const KernelBatch batch{.images = static_cast<int>(images), .statistics_images = images};
    for (size_t i = 0; i < engine.plan().stages.size(); ++i) {
      const StageSpec& spec = engine.plan().stages[i];
      const bool is_whole = is_layer(spec.pool) || (spec.kind != StageSpec::Kind::kConvolution && is_layer(spec.layer));
      if (is_whole || (spec.kind == StageSpec::Kind::kResidual && is_layer(spec.relu))) {
        const KernelValues& left = engine.stage(i).left();
        return at::from_blob(left.values, {images, left.shape.height, left.shape.width, left.shape.channels},
                             at::kFloat)
            .permute({0, 3, 1, 2});
      }
      if (!is_layer(spec.relu)) continue;
      const KernelValues seen = engine.stage(i).before_map(batch);
      return seen.values == nullptr ? values_by_winners(engine.stage(i), spec, start, faces)
                                    : mapped_values(seen, spec, start, images);
    }
    return at::Tensor();
  };
}

// What the teachers' own layers say, in fp64 from their logits on.
at::Tensor said_by(const Teachers& teachers, const Faces& faces, double temperature) {
  const at::NoGradGuard no_grad;
  at::Tensor sum = at::zeros({static_cast<int64_t>(faces.rows.size()), kExpressionCount}, at::kDouble);
  for (const auto& model : teachers.models())
    sum += at::softmax(model->forward(input_of(model->network(), faces), {}).to(at::kDouble) / temperature, 1);
  return sum / static_cast<double>(teachers.models().size());
}

// The fp64 reference after one step over all the faces; it decides as the engine does (tests/reference_network.h).
class Reference {
 public:
  Reference(const Model& start, const Config& config, const Faces& faces, const ReferenceNetwork::EngineValue& values,
            double nudge) {
    const auto images = static_cast<int64_t>(faces.rows.size());
    network_ = std::make_unique<ReferenceNetwork>(start, start.draw_kept_units(0, 0, images), values, nudge);
    at::Tensor labels = at::empty({images}, at::kLong);
    for (int64_t i = 0; i < images; ++i) labels[i] = int64_t{faces.labels[static_cast<size_t>(i)]};
    const at::Tensor logits = network_->forward(input_of(start.network(), faces));
    at::Tensor loss = summed_loss(logits, labels, config.label_smoothing);
    if (const auto teachers = teachers_of(config)) {
      const double weight = config.distill_weight;
      const double temperature = config.distill_temperature;
      const at::Tensor theirs =
          -(said_by(*teachers, faces, temperature) * at::log_softmax(logits / temperature, 1)).sum();
      loss = (1 - weight) * loss + weight * temperature * temperature * theirs;
    }
    torch::autograd::backward({loss / static_cast<double>(images)}, {});
    loss_ = loss.item<double>();
  }

  [[nodiscard]] double loss() const { return loss_; }
  [[nodiscard]] at::Tensor gradient(const std::string& name) const { return network_->gradient(name); }
  [[nodiscard]] at::Tensor tensor(const std::string& name) const { return network_->tensor(name).detach(); }

 private:
  std::unique_ptr<ReferenceNetwork> network_;
  double loss_ = 0;
};

// How much rounding may change is seen from the reference, its weights nudged: BatchNorm of a channel that hardly
// varies magnifies it. Gradients that vanish (of a bias before a BatchNorm) are held to the network's largest.
void expect_as_reference(const Stepped& found, const Model& start, const Config& config, const Faces& faces,
                         const ReferenceNetwork::EngineValue& values) {
  constexpr double kNudge = 1e-5;
  const Reference reference(start, config, faces, values, 0);
  const Reference nudged(start, config, faces, values, kNudge);
  EXPECT_NEAR(found.loss, reference.loss(), 1e-4 * reference.loss() + std::abs(reference.loss() - nudged.loss()));
  double largest_of_all = 0;
  for (const auto& [name, gradient] : found.gradients)
    largest_of_all = std::max(largest_of_all, largest(reference.gradient(name)));
  for (const auto& [name, gradient] : found.gradients) {
    const at::Tensor expected = reference.gradient(name);
    const double allowed = 1e-3 * largest(expected) + 1e-4 * largest_of_all + largest(expected - nudged.gradient(name));
    EXPECT_LE(largest(gradient - expected), allowed) << name;
    const StoredTensor& weights = found.weights.at(name);
    const at::Tensor own = at::from_blob(const_cast<float*>(weights.values.data()), weights.shape, at::kFloat);
    EXPECT_LE(largest(own - (reference.tensor(name) - kLearningRate * expected)), kLearningRate * allowed + 1e-6)
        << name;
  }
  for (const Buffer& buffer : start.buffers()) {
    const StoredTensor& moved = found.weights.at(buffer.name);
    const at::Tensor own = at::from_blob(const_cast<float*>(moved.values.data()), moved.shape, at::kFloat);
    EXPECT_TRUE(at::allclose(own.to(at::kDouble), reference.tensor(buffer.name), 1e-4, 1e-6)) << buffer.name;
  }
}

Dataset dataset_of(const Faces& faces) {
  PerSplit<SplitView> splits;
  splits[Split::kTrain] = {.images = faces.images, .labels = faces.labels};
  return {Manifest{}, "faces", "", splits};
}

enum class Drawn { kAny, kStaged };

// Calls test(network, config, faces) for each drawn network.
template <typename Test>
void for_each_network(Drawn drawn, const Test& test) {
  for (int i = 0; i < networks(); ++i) {
    const auto number = static_cast<uint64_t>(i);
    RandomNetwork random(number);
    const Network network = drawn == Drawn::kAny ? random.draw() : random.draw_staged();
    SCOPED_TRACE("network " + std::to_string(i) + ": " + network_to_json(network).dump());
    test(network, config_of(number), Faces::patches(drawn == Drawn::kAny ? 9 + i % 7 : 2 + i % 9));
    if (::testing::Test::HasFailure()) return;
  }
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

// The very sources that nvcc compiles, their threads as fibres. They learn from no teachers. A quarter of the networks
// each, since fibres take their time.
class KernelNetworks : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Quarter, KernelNetworks, ::testing::Range(0, 4));

TEST_P(KernelNetworks, TheDevicesKernelsComputeWhatFp64Does) {
  int number = 0;
  for_each_network(Drawn::kStaged, [&](const Network& network, Config config, const Faces& faces) {
    if (number++ % 4 != GetParam()) return;
    config.distill_from.clear();
    const auto start = make_model(network, config);
    const auto model = make_model(network, config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    HostRuntime runtime(*communicator);
    const Dataset dataset = dataset_of(faces);
    DeviceStep step(*model, *optimizer, dataset, runtime, config, nullptr, make_host_kernels(config.precision));
    const auto* engine = dynamic_cast<const KernelEngine*>(&step.engine());
    ASSERT_NE(engine, nullptr);
    const Stepped stepped = step_once(step, *model, *optimizer, faces);
    expect_as_reference(stepped, *start, config, faces, values_of(*engine, *start, faces));
  });
}

// What a GPU starts for a step: no more kernels than its graph has nodes for.
TEST(KernelNetworks, TakeTwentyKernelsForAStepOfTheStudysCnn) {
  for (const Precision precision : {Precision::kFp32, Precision::kTf32, Precision::kBf16}) {
    const Config config{.batch_size = 2, .precision = precision};
    const Faces faces = Faces::patches(2);
    const auto model = make_model(load_network("seed_cnn"), config);
    const auto optimizer = make_optimizer(config, model->store().layout());
    const auto communicator = make_identity_communicator();
    HostRuntime runtime(*communicator);
    const Dataset dataset = dataset_of(faces);
    DeviceStep step(*model, *optimizer, dataset, runtime, config, nullptr, make_host_kernels(precision));
    step.begin_epoch(0, faces.rows);
    const int64_t before = host_kernel_launches();
    step.run(faces.batch(), 0.001);
    EXPECT_EQ(host_kernel_launches() - before, 20);
  }
}

// Winograd's transforms round a little more than products do.
TEST(RandomNetworks, TheFusedStagesComputeWhatFp64Does) {
  for_each_network(Drawn::kStaged, [](const Network& network, const Config& config, const Faces& faces) {
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
  });
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
